# Trusted root certificates in Windows PE boot images: a shell around winpe-certs, which does the work.
#
# Each command runs winpe-certs once for each image, with --format json, and makes objects of its report. So an
# image that fails is one error, and the next is still looked at.

Set-StrictMode -Version 2.0

# Exit codes of winpe-certs that come with a report which is an answer, and no failure: 0, and 1 for "no".
$script:AnswerCodes = @(0, 1)
$script:Categories = @{
    2   = [System.Management.Automation.ErrorCategory]::InvalidArgument
    3   = [System.Management.Automation.ErrorCategory]::InvalidData
    4   = [System.Management.Automation.ErrorCategory]::ResourceUnavailable
    5   = [System.Management.Automation.ErrorCategory]::ResourceBusy
    130 = [System.Management.Automation.ErrorCategory]::OperationStopped
}

function Find-WinPECertsProgram {
    # The program: the variable WINPE_CERTS, else the one beside this module, else the one that is found in PATH.
    if ($env:WINPE_CERTS) {
        return $env:WINPE_CERTS
    }
    foreach ($folder in @($PSScriptRoot, (Split-Path -Parent $PSScriptRoot), (Split-Path -Parent (Split-Path -Parent $PSScriptRoot)))) {
        if ($folder) {
            $beside = Join-Path $folder 'winpe-certs.exe'
            if (Test-Path -LiteralPath $beside -PathType Leaf) {
                return $beside
            }
        }
    }
    $command = Get-Command -Name 'winpe-certs' -CommandType Application -ErrorAction SilentlyContinue | Select-Object -First 1
    if ($null -eq $command) {
        throw 'winpe-certs is not found. Put it into PATH, or set the variable WINPE_CERTS to its path.'
    }
    return $command.Path
}

function ConvertTo-WinPECertsArgument {
    # One word of a command line, as programs of Windows take it apart again. Windows PowerShell 5.1 does not quote
    # by itself what has quotation marks in it (Microsoft, "CommandLineToArgvW function": backslashes count only
    # before a quotation mark).
    param([Parameter(Mandatory = $true)] [AllowEmptyString()] [string] $Word)

    if ($Word -ne '' -and $Word -notmatch '[\s"]') {
        return $Word
    }
    $escaped = $Word -replace '(\\*)"', '$1$1\"'
    $escaped = $escaped -replace '(\\+)$', '$1$1'
    return '"' + $escaped + '"'
}

function Invoke-WinPECerts {
    # Run winpe-certs and give its exit code, its report and what it said on stderr.
    param([Parameter(Mandatory = $true)] [string[]] $Words)

    $start = New-Object System.Diagnostics.ProcessStartInfo
    $start.FileName = Find-WinPECertsProgram
    $start.Arguments = (@($Words | ForEach-Object { ConvertTo-WinPECertsArgument -Word $_ }) -join ' ')
    $start.UseShellExecute = $false
    $start.RedirectStandardOutput = $true
    $start.RedirectStandardError = $true
    $start.CreateNoWindow = $true
    # The folder that PowerShell shows, which may be another than that of its process.
    $start.WorkingDirectory = (Get-Location -PSProvider FileSystem).ProviderPath
    $process = New-Object System.Diagnostics.Process
    $process.StartInfo = $start
    try {
        [void] $process.Start()
        # Both at once: one that is not read may fill up and stop the program.
        $told = $process.StandardError.ReadToEndAsync()
        $text = $process.StandardOutput.ReadToEnd()
        $process.WaitForExit()
        $report = $null
        if ($text.Trim().StartsWith('{')) {
            # JSON of winpe-certs is ASCII, so no code page can change it.
            $report = ConvertFrom-Json -InputObject $text
        }
        return [pscustomobject] @{
            Code   = $process.ExitCode
            Report = $report
            Told   = $told.Result.Trim()
        }
    }
    finally {
        $process.Dispose()
    }
}

function Get-WinPECertsValue {
    # A value of a report, or nothing where the report has none of this name.
    param($From, [Parameter(Mandatory = $true)] [string] $Name)

    if ($null -eq $From) {
        return $null
    }
    $property = $From.PSObject.Properties[$Name]
    if ($null -eq $property) {
        return $null
    }
    return $property.Value
}

function New-WinPECertsError {
    # The error of a run, as PowerShell has errors.
    param(
        [Parameter(Mandatory = $true)] $Run,
        [Parameter(Mandatory = $true)] [string] $Path
    )

    $failure = Get-WinPECertsValue -From $Run.Report -Name 'error'
    $message = Get-WinPECertsValue -From $failure -Name 'message'
    if (-not $message) {
        $message = $Run.Told
    }
    if (-not $message) {
        $message = "winpe-certs ended with exit code $($Run.Code)"
    }
    $kind = Get-WinPECertsValue -From $failure -Name 'kind'
    if (-not $kind) {
        $kind = "exit-code-$($Run.Code)"
    }
    $category = [System.Management.Automation.ErrorCategory]::NotSpecified
    if ($script:Categories.ContainsKey($Run.Code)) {
        $category = $script:Categories[$Run.Code]
    }
    $exception = New-Object System.InvalidOperationException $message
    $record = New-Object System.Management.Automation.ErrorRecord $exception, "WinPECerts.$kind", $category, $Path
    $record.ErrorDetails = New-Object System.Management.Automation.ErrorDetails $message
    $details = Get-WinPECertsValue -From $failure -Name 'details'
    if ($details) {
        $record.ErrorDetails = New-Object System.Management.Automation.ErrorDetails "$message`n$details"
    }
    $resolution = Get-WinPECertsValue -From $failure -Name 'resolution'
    if ($resolution) {
        $record.ErrorDetails.RecommendedAction = $resolution
    }
    return $record
}

function ConvertTo-WinPECertificate {
    # An object for each certificate of each image of a report.
    param([Parameter(Mandatory = $true)] $Report)

    foreach ($image in @($Report.images)) {
        foreach ($certificate in @($image.certificates)) {
            [pscustomobject] @{
                PSTypeName = 'WinPECerts.Certificate'
                Path       = $image.path
                Index      = $image.index
                ImageName  = $image.name
                Store      = $certificate.store
                Thumbprint = $certificate.thumbprint
                Status     = $certificate.status
                Subject    = $certificate.subject
                Issuer     = $certificate.issuer
                NotBefore  = $certificate.not_before
                NotAfter   = $certificate.not_after
                Sha256     = $certificate.sha256
                Findings   = @($certificate.findings)
                Changed    = [bool] $image.changed
                DryRun     = [bool] $Report.dry_run
            }
        }
    }
}

function ConvertTo-WinPEServerTrust {
    # An object for each name of a server and each image of a report.
    param([Parameter(Mandatory = $true)] $Report)

    foreach ($image in @($Report.images)) {
        foreach ($answer in @(Get-WinPECertsValue -From $image -Name 'servers')) {
            if ($null -ne $answer) {
                [pscustomobject] @{
                    PSTypeName = 'WinPECerts.ServerTrust'
                    Path       = $image.path
                    Index      = $image.index
                    ImageName  = $image.name
                    Server     = $answer.server
                    Verdict    = $answer.verdict
                    IsTrusted  = $answer.verdict -eq 'trusted'
                    ValidFrom  = $answer.valid_from
                    ValidUntil = $answer.valid_until
                    Chain      = @($answer.chain)
                    Reasons    = @($answer.reasons)
                    At         = $Report.at
                }
            }
        }
    }
}

function Add-WinPECertsWord {
    # Options with their values, for those that were given.
    param(
        [Parameter(Mandatory = $true)] [AllowEmptyCollection()] [System.Collections.Generic.List[string]] $Words,
        [Parameter(Mandatory = $true)] [string] $Option,
        $Values
    )

    foreach ($value in @($Values)) {
        if ($null -ne $value -and "$value" -ne '') {
            $Words.Add($Option)
            $Words.Add("$value")
        }
    }
}

function Add-WinPECertificate {
    <#
    .SYNOPSIS
    Puts certificates into Windows PE boot images, and verifies them there.

    .DESCRIPTION
    Runs winpe-certs inject. Roots go into AuthRoot, intermediates into CA, unless Store says otherwise. An image is
    changed as a whole or not at all. With -WhatIf everything is done and verified in memory, and nothing is written.

    .PARAMETER Path
    Image files (.wim), folders that an image is mounted in, or SOFTWARE hives. Takes them from the pipeline.

    .PARAMETER Certificate
    Certificate files (.cer, .pem, .p7b, .reg and others). Default: none, at least one is needed.

    .PARAMETER Index
    Numbers of the images in a .wim, names of them, or all. A .wim with several images needs it.

    .PARAMETER Store
    AuthRoot, ROOT, CA or Disallowed. Without it the kind of certificate decides.

    .PARAMETER Engine
    auto, direct or dism. auto takes DISM on Windows, which needs an elevated prompt.

    .PARAMETER Output
    Where to write a changed copy. Without it the image itself is changed.

    .PARAMETER Evidence
    A file for the record of the change, as JSON.

    .EXAMPLE
    Add-WinPECertificate -Path C:\temp\boot.wim -Certificate C:\temp\root.cer -Index 1

    Puts a root into the first image.

    .EXAMPLE
    Get-ChildItem D:\OSD -Filter *.wim -Recurse | Add-WinPECertificate -Certificate root.cer -Index all -WhatIf

    Shows what would be changed in every image below a folder, and changes nothing.

    .OUTPUTS
    WinPECerts.Certificate, one for each certificate of each image: Path, Index, Store, Thumbprint, Status and others.

    .LINK
    Test-WinPECertificate
    #>
    [CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'Medium')]
    [OutputType('WinPECerts.Certificate')]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true, ValueFromPipelineByPropertyName = $true)]
        [Alias('FullName', 'ImagePath')] [string[]] $Path,
        [Parameter(Mandatory = $true, Position = 1)] [string[]] $Certificate,
        [string[]] $Index,
        [ValidateSet('AuthRoot', 'ROOT', 'CA', 'Disallowed')] [string] $Store,
        [ValidateSet('auto', 'direct', 'dism')] [string] $Engine,
        [string] $Output,
        [string] $Evidence
    )

    process {
        foreach ($image in $Path) {
            $words = New-Object System.Collections.Generic.List[string]
            $words.Add('inject')
            $words.Add($image)
            Add-WinPECertsWord -Words $words -Option '--cert' -Values $Certificate
            Add-WinPECertsWord -Words $words -Option '--index' -Values $Index
            Add-WinPECertsWord -Words $words -Option '--store' -Values $Store
            Add-WinPECertsWord -Words $words -Option '--engine' -Values $Engine
            Add-WinPECertsWord -Words $words -Option '--output' -Values $Output
            if ($WhatIfPreference) {
                $words.Add('--dry-run')
            }
            elseif ($PSCmdlet.ShouldProcess($image, 'Add certificates')) {
                Add-WinPECertsWord -Words $words -Option '--evidence' -Values $Evidence
            }
            else {
                continue
            }
            $words.Add('--format')
            $words.Add('json')
            $run = Invoke-WinPECerts -Words $words.ToArray()
            if ($null -ne $run.Report) {
                ConvertTo-WinPECertificate -Report $run.Report
            }
            if ($script:AnswerCodes -notcontains $run.Code) {
                $PSCmdlet.WriteError((New-WinPECertsError -Run $run -Path $image))
            }
        }
    }
}

function Remove-WinPECertificate {
    <#
    .SYNOPSIS
    Takes certificates out of Windows PE boot images.

    .DESCRIPTION
    Runs winpe-certs remove. With -WhatIf everything is done and verified in memory, and nothing is written.

    .PARAMETER Path
    Image files (.wim), folders that an image is mounted in, or SOFTWARE hives. Takes them from the pipeline.

    .PARAMETER Certificate
    Certificate files of what is to go.

    .PARAMETER Thumbprint
    SHA-1 thumbprints of what is to go, instead of files or beside them.

    .PARAMETER Index
    Numbers of the images in a .wim, names of them, or all. A .wim with several images needs it.

    .PARAMETER Store
    AuthRoot, ROOT, CA, Disallowed, or all for every store that would still count.

    .PARAMETER Engine
    auto, direct or dism. auto takes DISM on Windows, which needs an elevated prompt.

    .PARAMETER Output
    Where to write a changed copy. Without it the image itself is changed.

    .PARAMETER Evidence
    A file for the record of the change, as JSON.

    .EXAMPLE
    Remove-WinPECertificate -Path boot.wim -Certificate old-root.cer -Index 1 -Confirm

    Asks, then takes a root out of the first image.

    .EXAMPLE
    Get-ChildItem D:\OSD -Filter *.wim | Remove-WinPECertificate -Thumbprint $thumbprint -Index all -Store all

    Takes a root out of all stores of all images of some files.

    .OUTPUTS
    WinPECerts.Certificate, one for each certificate of each image: Path, Index, Store, Thumbprint, Status and others.

    .LINK
    Add-WinPECertificate
    #>
    [CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'Medium')]
    [OutputType('WinPECerts.Certificate')]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true, ValueFromPipelineByPropertyName = $true)]
        [Alias('FullName', 'ImagePath')] [string[]] $Path,
        [Parameter(Position = 1)] [string[]] $Certificate,
        [ValidatePattern('^[0-9A-Fa-f]{40}$')] [string[]] $Thumbprint,
        [string[]] $Index,
        [ValidateSet('AuthRoot', 'ROOT', 'CA', 'Disallowed', 'all')] [string] $Store,
        [ValidateSet('auto', 'direct', 'dism')] [string] $Engine,
        [string] $Output,
        [string] $Evidence
    )

    process {
        foreach ($image in $Path) {
            $words = New-Object System.Collections.Generic.List[string]
            $words.Add('remove')
            $words.Add($image)
            Add-WinPECertsWord -Words $words -Option '--cert' -Values $Certificate
            Add-WinPECertsWord -Words $words -Option '--thumbprint' -Values $Thumbprint
            Add-WinPECertsWord -Words $words -Option '--index' -Values $Index
            Add-WinPECertsWord -Words $words -Option '--store' -Values $Store
            Add-WinPECertsWord -Words $words -Option '--engine' -Values $Engine
            Add-WinPECertsWord -Words $words -Option '--output' -Values $Output
            if ($WhatIfPreference) {
                $words.Add('--dry-run')
            }
            elseif ($PSCmdlet.ShouldProcess($image, 'Remove certificates')) {
                Add-WinPECertsWord -Words $words -Option '--evidence' -Values $Evidence
            }
            else {
                continue
            }
            $words.Add('--format')
            $words.Add('json')
            $run = Invoke-WinPECerts -Words $words.ToArray()
            if ($null -ne $run.Report) {
                ConvertTo-WinPECertificate -Report $run.Report
            }
            if ($script:AnswerCodes -notcontains $run.Code) {
                $PSCmdlet.WriteError((New-WinPECertsError -Run $run -Path $image))
            }
        }
    }
}

function Get-WinPECertificate {
    <#
    .SYNOPSIS
    Lists the certificates that are in Windows PE boot images.

    .DESCRIPTION
    Runs winpe-certs list. Nothing is mounted, and nothing is changed.

    .PARAMETER Path
    Images (.wim, .iso), media folders, mounted images or SOFTWARE hives. Takes them from the pipeline.

    .PARAMETER Index
    Numbers of the images in a .wim, names of them, or all.

    .PARAMETER Store
    Only this store: AuthRoot, ROOT, CA or Disallowed.

    .EXAMPLE
    Get-WinPECertificate -Path boot.wim -Index 1 | Sort-Object NotAfter

    Lists the certificates of the first image, those that end first at the top.

    .EXAMPLE
    Get-ChildItem D:\OSD -Filter *.wim | Get-WinPECertificate -Index all | Where-Object Store -eq 'AuthRoot'

    Lists what several files have in AuthRoot.

    .OUTPUTS
    WinPECerts.Certificate, one for each certificate of each image: Path, Index, Store, Thumbprint, Status and others.

    .LINK
    Test-WinPECertificate
    #>
    [CmdletBinding()]
    [OutputType('WinPECerts.Certificate')]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true, ValueFromPipelineByPropertyName = $true)]
        [Alias('FullName', 'ImagePath')] [string[]] $Path,
        [string[]] $Index,
        [ValidateSet('AuthRoot', 'ROOT', 'CA', 'Disallowed')] [string] $Store
    )

    process {
        foreach ($image in $Path) {
            $words = New-Object System.Collections.Generic.List[string]
            $words.Add('list')
            $words.Add($image)
            Add-WinPECertsWord -Words $words -Option '--index' -Values $Index
            Add-WinPECertsWord -Words $words -Option '--store' -Values $Store
            $words.Add('--format')
            $words.Add('json')
            $run = Invoke-WinPECerts -Words $words.ToArray()
            if ($null -ne $run.Report) {
                ConvertTo-WinPECertificate -Report $run.Report
            }
            if ($script:AnswerCodes -notcontains $run.Code) {
                $PSCmdlet.WriteError((New-WinPECertsError -Run $run -Path $image))
            }
        }
    }
}

function Test-WinPECertificate {
    <#
    .SYNOPSIS
    Says whether certificates are in Windows PE boot images, intact.

    .DESCRIPTION
    Runs winpe-certs verify. The property Status of each object is present, or says what is the matter.

    .PARAMETER Path
    Images (.wim, .iso), media folders, mounted images or SOFTWARE hives. Takes them from the pipeline.

    .PARAMETER Certificate
    Certificate files of what is to be there.

    .PARAMETER Thumbprint
    SHA-1 thumbprints of what is to be there, instead of files or beside them.

    .PARAMETER Index
    Numbers of the images in a .wim, names of them, or all.

    .PARAMETER Store
    Only this store: AuthRoot, ROOT, CA or Disallowed.

    .PARAMETER Quiet
    Gives true or false for each path instead of objects.

    .EXAMPLE
    Test-WinPECertificate -Path boot.wim -Certificate root.cer -Index all

    Says of each image whether it has the root.

    .EXAMPLE
    if (-not (Test-WinPECertificate -Path boot.wim -Certificate root.cer -Index all -Quiet)) { throw 'The root is missing.' }

    Ends a script when an image has not got the root.

    .OUTPUTS
    WinPECerts.Certificate, one for each certificate of each image; with Quiet true or false for each path.

    .LINK
    Add-WinPECertificate
    #>
    [CmdletBinding()]
    [OutputType('WinPECerts.Certificate', [bool])]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true, ValueFromPipelineByPropertyName = $true)]
        [Alias('FullName', 'ImagePath')] [string[]] $Path,
        [Parameter(Position = 1)] [string[]] $Certificate,
        [ValidatePattern('^[0-9A-Fa-f]{40}$')] [string[]] $Thumbprint,
        [string[]] $Index,
        [ValidateSet('AuthRoot', 'ROOT', 'CA', 'Disallowed')] [string] $Store,
        [switch] $Quiet
    )

    process {
        foreach ($image in $Path) {
            $words = New-Object System.Collections.Generic.List[string]
            $words.Add('verify')
            $words.Add($image)
            Add-WinPECertsWord -Words $words -Option '--cert' -Values $Certificate
            Add-WinPECertsWord -Words $words -Option '--thumbprint' -Values $Thumbprint
            Add-WinPECertsWord -Words $words -Option '--index' -Values $Index
            Add-WinPECertsWord -Words $words -Option '--store' -Values $Store
            $words.Add('--format')
            $words.Add('json')
            $run = Invoke-WinPECerts -Words $words.ToArray()
            if ($Quiet) {
                $run.Code -eq 0
            }
            elseif ($null -ne $run.Report) {
                ConvertTo-WinPECertificate -Report $run.Report
            }
            if ($script:AnswerCodes -notcontains $run.Code) {
                $PSCmdlet.WriteError((New-WinPECertsError -Run $run -Path $image))
            }
        }
    }
}

function Test-WinPEServerTrust {
    <#
    .SYNOPSIS
    Says whether Windows PE boot images would trust a server, on a date.

    .DESCRIPTION
    Runs winpe-certs check-server. The property IsTrusted is true only when the answer is "trusted"; Verdict may also be
    "not trusted" or "undocumented", and Reasons says why.

    .PARAMETER Path
    Images (.wim, .iso), media folders, mounted images or SOFTWARE hives. Takes them from the pipeline.

    .PARAMETER Chain
    A file with the certificates that the server sends, its own among them.

    .PARAMETER Connect
    A server to ask for its certificates, as HOST or HOST:PORT.

    .PARAMETER HostName
    Names under which clients reach the server.

    .PARAMETER At
    The date to judge as of. Without it: now.

    .PARAMETER Index
    Numbers of the images in a .wim, names of them, or all.

    .EXAMPLE
    Test-WinPEServerTrust -Path boot.wim -Index 1 -Connect cmg.contoso.example

    Asks a live server for its certificates, and says whether the first image would trust it.

    .EXAMPLE
    Test-WinPEServerTrust -Path boot.wim -Index 1 -Chain cmg.pem -HostName cmg.contoso.example -At 2030-01-01

    Says whether that will be so in 2030.

    .OUTPUTS
    WinPECerts.ServerTrust, one for each name and image: Path, Index, Server, Verdict, IsTrusted, Reasons and others.

    .LINK
    Test-WinPECertificate
    #>
    [CmdletBinding(DefaultParameterSetName = 'Chain')]
    [OutputType('WinPECerts.ServerTrust')]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipeline = $true, ValueFromPipelineByPropertyName = $true)]
        [Alias('FullName', 'ImagePath')] [string[]] $Path,
        [Parameter(Mandatory = $true, ParameterSetName = 'Chain')] [string] $Chain,
        [Parameter(Mandatory = $true, ParameterSetName = 'Connect')] [string[]] $Connect,
        [string[]] $HostName,
        [string] $At,
        [string[]] $Index
    )

    process {
        foreach ($image in $Path) {
            $words = New-Object System.Collections.Generic.List[string]
            $words.Add('check-server')
            $words.Add($image)
            Add-WinPECertsWord -Words $words -Option '--chain' -Values $Chain
            Add-WinPECertsWord -Words $words -Option '--connect' -Values $Connect
            Add-WinPECertsWord -Words $words -Option '--hostname' -Values $HostName
            Add-WinPECertsWord -Words $words -Option '--at' -Values $At
            Add-WinPECertsWord -Words $words -Option '--index' -Values $Index
            $words.Add('--format')
            $words.Add('json')
            $run = Invoke-WinPECerts -Words $words.ToArray()
            if ($null -ne $run.Report) {
                ConvertTo-WinPEServerTrust -Report $run.Report
            }
            if ($script:AnswerCodes -notcontains $run.Code) {
                $PSCmdlet.WriteError((New-WinPECertsError -Run $run -Path $image))
            }
        }
    }
}

Export-ModuleMember -Function @(
    'Add-WinPECertificate', 'Remove-WinPECertificate', 'Get-WinPECertificate', 'Test-WinPECertificate',
    'Test-WinPEServerTrust'
)
