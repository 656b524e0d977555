// First version: the Function App with its storage and identity, matching the app's real settings.
// It is checked for syntax and for the completeness of its settings (tests/unit/test_infra.py); it has not been
// deployed yet. Deployment as a whole (network egress, roles on the subscription, alerts) comes with its own change.
targetScope = 'resourceGroup'

@description('Region of the Function App and its storage.')
param location string = resourceGroup().location

@description('Short name the resources are named after.')
@minLength(2)
@maxLength(12)
param name string = 'hublet'

@description('Subscription the hubs are made in.')
param hubSubscriptionId string = subscription().subscriptionId

@description('Bootstraps the owner admin: at least 32 characters.')
@secure()
@minLength(32)
param adminToken string

@description('AES-256 keys that seal secrets at rest: <id>:<base64 of 32 bytes>, comma-separated, newest first.')
@secure()
param sealKeys string

@description('Default region of new hubs.')
param hubRegion string = location

@description('Outgoing addresses of this app (a NAT gateway), comma-separated CIDRs. Empty: the AzureCloud service tag.')
param egressCidrs string = ''

@description('Contact for certificates when a request names none.')
@minLength(6)
param httpsEmail string

@description('Signing secret of the Slack app. Empty: no Slack.')
@secure()
param slackSigningSecret string = ''

@description('Bot token (xoxb-...) of the Slack app. Empty: answers to commands only.')
@secure()
param slackBotToken string = ''

@description('Security tokens of Teams outgoing webhooks, comma-separated, one per team. Empty: no commands from Teams.')
@secure()
param teamsSecurityTokens string = ''

@description('Teams Workflows webhooks <name>=<url>, separated by spaces: each URL is a secret. Empty: nothing is told there.')
@secure()
param teamsWebhooks string = ''

@description('Scheme and host people reach this app at. Empty: the host name Azure gives it.')
param publicUrl string = ''

@description('Time zone of hours typed in a chat command that names none.')
@minLength(1)
param timeZone string = 'UTC'

@description('Hosts that web hooks may name although their addresses are not public, comma-separated.')
param sinkHosts string = ''

@description('Keep one instance of the HTTP functions warm: answers at once, and costs as long as it is on. Chat wants it: Slack gives up after 3 seconds, a cold start may take longer.')
param alwaysReadyHttp bool = false

var token = toLower(uniqueString(resourceGroup().id, name))
var packageContainer = 'app-package'

resource storage 'Microsoft.Storage/storageAccounts@2023-05-01' = {
  name: 'st${token}'
  location: location
  sku: { name: 'Standard_LRS' }
  kind: 'StorageV2'
  properties: {
    allowSharedKeyAccess: false
    allowBlobPublicAccess: false
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2023-05-01' = {
  parent: storage
  name: 'default'
}

resource packages 'Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01' = {
  parent: blobs
  name: packageContainer
}

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: 'id-${name}-${token}'
  location: location
}

// Storage Blob Data Owner (the Functions host itself), Queue and Table Data Contributor (the app).
var storageRoles = [
  'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
  '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
  '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
]

resource storageAccess 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for role in storageRoles: {
  name: guid(storage.id, identity.id, role)
  scope: storage
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
  }
}]

resource plan 'Microsoft.Web/serverfarms@2024-04-01' = {
  name: 'plan-${name}-${token}'
  location: location
  kind: 'functionapp'
  sku: { tier: 'FlexConsumption', name: 'FC1' }
  properties: { reserved: true }
}

resource app 'Microsoft.Web/sites@2024-04-01' = {
  name: 'func-${name}-${token}'
  location: location
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identity.id}': {} }
  }
  dependsOn: [ storageAccess, packages ]
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    functionAppConfig: {
      runtime: { name: 'python', version: '3.13' }
      scaleAndConcurrency: {
        instanceMemoryMB: 2048
        maximumInstanceCount: 40
        alwaysReady: alwaysReadyHttp ? [ { name: 'http', instanceCount: 1 } ] : []
        triggers: { http: { perInstanceConcurrency: 16 } }
      }
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${storage.properties.primaryEndpoints.blob}${packageContainer}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identity.id
          }
        }
      }
    }
    siteConfig: {
      minTlsVersion: '1.2'
      appSettings: [
        { name: 'AzureWebJobsStorage__credential', value: 'managedidentity' }
        { name: 'AzureWebJobsStorage__clientId', value: identity.properties.clientId }
        { name: 'AzureWebJobsStorage__blobServiceUri', value: storage.properties.primaryEndpoints.blob }
        { name: 'AzureWebJobsStorage__queueServiceUri', value: storage.properties.primaryEndpoints.queue }
        { name: 'AzureWebJobsStorage__tableServiceUri', value: storage.properties.primaryEndpoints.table }
        { name: 'AZURE_CLIENT_ID', value: identity.properties.clientId }
        { name: 'HUBLET_SUBSCRIPTION_ID', value: hubSubscriptionId }
        { name: 'HUBLET_ADMIN_TOKEN', value: adminToken }
        { name: 'HUBLET_SEAL_KEYS', value: sealKeys }
        { name: 'HUBLET_REGION', value: hubRegion }
        { name: 'HUBLET_APP_REGION', value: location }
        { name: 'HUBLET_EGRESS_CIDRS', value: egressCidrs }
        { name: 'HUBLET_HTTPS_EMAIL', value: httpsEmail }
        { name: 'HUBLET_SLACK_SIGNING_SECRET', value: slackSigningSecret }
        { name: 'HUBLET_SLACK_BOT_TOKEN', value: slackBotToken }
        { name: 'HUBLET_TEAMS_SECURITY_TOKENS', value: teamsSecurityTokens }
        { name: 'HUBLET_TEAMS_WEBHOOKS', value: teamsWebhooks }
        { name: 'HUBLET_PUBLIC_URL', value: publicUrl }
        { name: 'HUBLET_TIME_ZONE', value: timeZone }
        { name: 'HUBLET_SINK_HOSTS', value: sinkHosts }
      ]
    }
  }
}

output functionAppName string = app.name
output apiUrl string = 'https://${app.properties.defaultHostName}/api'
output identityPrincipalId string = identity.properties.principalId
