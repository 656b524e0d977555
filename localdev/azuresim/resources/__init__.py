"""Microsoft.Resources: groups, the list of all resources, providers, subscriptions and tenants."""
