"""Microsoft.Compute: virtual machines, disks, sizes, images, usages."""
