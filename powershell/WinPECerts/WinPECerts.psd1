@{
    RootModule           = 'WinPECerts.psm1'
    ModuleVersion        = '0.1.0'
    GUID                 = '5b0f1c0e-6f52-4a0a-9b52-0c6c0f2a7d51'
    Author               = 'The winpe_certs developers'
    Copyright            = 'Apache-2.0'
    Description          = 'Trusted root certificates in Windows PE boot images, by winpe-certs.'
    PowerShellVersion    = '5.1'
    CompatiblePSEditions = @('Desktop', 'Core')
    FunctionsToExport    = @(
        'Add-WinPECertificate', 'Remove-WinPECertificate', 'Get-WinPECertificate', 'Test-WinPECertificate',
        'Test-WinPEServerTrust'
    )
    CmdletsToExport      = @()
    VariablesToExport    = @()
    AliasesToExport      = @()
    PrivateData          = @{
        PSData = @{
            Tags = @('WinPE', 'WIM', 'certificate', 'ConfigMgr', 'OSD', 'CMG')
        }
    }
}
