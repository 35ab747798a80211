<#
.SYNOPSIS
Checks winpe-certs on a real Windows and writes a report to send in.

.DESCRIPTION
Works on copies only: three copies of winpe.wim, one left as it is, one changed with --engine direct and one
with --engine dism. Both changed copies are verified by winpe-certs, then judged without it: mounted read-only
by DISM, their SOFTWARE hives loaded with reg.exe, the stored certificate compared with the file, untouched
files and the security descriptor of SOFTWARE compared with those of the unchanged copy.

Every mount and every loaded hive is taken down again, also after a failure. The work folder stays: delete it
when you have sent the report. Read the report first: it holds paths of this computer, its Windows version and
the subject of the certificate.

Needs an elevated 64-bit Windows PowerShell 5.1 (or newer), Python 3.11 with winpe-certs, and about four times
the size of winpe.wim on a local NTFS volume.

.PARAMETER WinPe
The winpe.wim (or boot.wim) to copy; it is only read.

.PARAMETER Cert
The root certificate (.cer, DER or PEM); one that is not in the image yet.

.PARAMETER Python
The Python that winpe-certs is installed in.

.PARAMETER WorkFolder
A folder that does not exist yet, or is empty. Short, ASCII, on a local NTFS volume.

.PARAMETER Index
The image in the file.

.PARAMETER Dism
The DISM.exe that judges. Windows' own one, unless the image is newer than this Windows: then the ADK's.

.EXAMPLE
.\windows-acceptance.ps1 -WinPe C:\temp\winpe.wim -Cert C:\temp\root.cer -Python C:\venv\Scripts\python.exe
#>
[CmdletBinding()]
param(
    [Parameter(Mandatory = $true)] [string] $WinPe,
    [Parameter(Mandatory = $true)] [string] $Cert,
    [string] $Python = 'python.exe',
    [string] $WorkFolder = (Join-Path ($env:SystemDrive + '\') 'winpe_certs_check'),
    [int] $Index = 1,
    [string] $Dism = (Join-Path $env:windir 'System32\Dism.exe')
)

Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'

$softwarePath = 'Windows\System32\config\SOFTWARE'
# Files that nobody has a reason to touch.
$untouchedPaths = @(
    'Windows\System32\config\SYSTEM', 'Windows\System32\config\DEFAULT', 'Windows\System32\config\SAM',
    'Windows\System32\ntoskrnl.exe', 'Windows\System32\kernel32.dll', 'Windows\System32\winload.efi',
    'Windows\System32\winpe.jpg', 'Windows\System32\cmd.exe'
)
$hivePrefix = 'winpe-certs-check-{0}' -f $PID
$script:lines = New-Object System.Collections.Generic.List[string]
$script:failures = 0

function Write-Line([string] $Text) {
    $script:lines.Add($Text)
    Write-Host $Text
}

# Runs a program to its end. What it writes to stderr must not end this script: Windows PowerShell 5.1 makes
# an error of every such line when the preference is Stop.
function Invoke-Program([string] $Program, [string[]] $Arguments) {
    $ErrorActionPreference = 'Continue'
    $watch = [System.Diagnostics.Stopwatch]::StartNew()
    $said = New-Object System.Collections.Generic.List[string]
    $output = New-Object System.Collections.Generic.List[string]
    $global:LASTEXITCODE = -1
    foreach ($item in (& $Program @Arguments 2>&1)) {
        if ($item -is [System.Management.Automation.ErrorRecord]) { $said.Add([string] $item) }
        else { $output.Add([string] $item) }
    }
    New-Object PSObject -Property @{
        Code = $LASTEXITCODE
        Output = ($output -join "`r`n")
        Errors = ($said -join "`r`n")
        Seconds = $watch.Elapsed.TotalSeconds
    }
}

function Assert-Success($Done, [string] $What) {
    if ($Done.Code -ne 0) {
        throw ("{0}: exit code {1} (0x{1:X8})`r`n{2}`r`n{3}" -f $What, $Done.Code, $Done.Output, $Done.Errors)
    }
}

# One check of the report: its name, passed or FAILED, how long it took, what it gave. Gives whether it passed.
function Test-Step([string] $Name, [scriptblock] $Action) {
    $watch = [System.Diagnostics.Stopwatch]::StartNew()
    try {
        $detail = (& $Action) -join '; '
        Write-Line ('passed  {0,7:N1} s  {1}{2}' -f $watch.Elapsed.TotalSeconds, $Name, $(if ($detail) { ': ' + $detail }))
        return $true
    } catch {
        $script:failures += 1
        Write-Line ('FAILED  {0,7:N1} s  {1}' -f $watch.Elapsed.TotalSeconds, $Name)
        foreach ($line in ([string] $_.Exception.Message -split "`r?`n")) { Write-Line ('        ' + $line) }
        return $false
    }
}

# winpe-certs with --format json: exactly one document on stdout, and the exit code that was expected.
function Invoke-WinPeCerts([string[]] $Arguments, [int] $Expected = 0) {
    $done = Invoke-Program $Python (@('-m', 'winpe_certs') + $Arguments + @('--format', 'json'))
    if ($done.Code -ne $Expected) {
        throw ('winpe-certs {0}: exit code {1} instead of {2}{3}{4}{3}{5}' -f ($Arguments -join ' '), $done.Code, $Expected, "`r`n", $done.Output, $done.Errors)
    }
    if ($done.Errors) { throw ('winpe-certs wrote to stderr: ' + $done.Errors) }
    $done.Output | ConvertFrom-Json
}

function Invoke-Dism([string[]] $Arguments, [string] $What) {
    $log = Join-Path $WorkFolder 'dism.log'
    $done = Invoke-Program $Dism (@('/English', "/LogPath:$log") + $Arguments)
    Assert-Success $done $What
}

# Unloads a hive; a handle that is still open somewhere makes that fail for a while.
function Remove-Hive([string] $Key) {
    foreach ($pause in 0, 1, 2, 4, 8) {
        Start-Sleep -Seconds $pause
        [GC]::Collect()
        [GC]::WaitForPendingFinalizers()
        $done = Invoke-Program 'reg.exe' @('unload', $Key)
        if ($done.Code -eq 0) { return }
    }
    Write-Line ('STILL LOADED: {0}; free it with: reg unload {0}' -f $Key)
    $script:failures += 1
}

# The Blob of a certificate as hexadecimal digits, by way of reg.exe. A copy of the hive is loaded: loading
# writes log files beside it, and the mount is read-only.
function Get-StoredBlob([string] $Mount, [string] $Engine, [string] $Store, [string] $Thumbprint) {
    $copy = Join-Path $WorkFolder ("SOFTWARE-$Engine")
    Copy-Item -LiteralPath (Join-Path $Mount $softwarePath) -Destination $copy -Force
    [System.IO.File]::SetAttributes($copy, [System.IO.FileAttributes]::Normal)
    $key = 'HKLM\{0}-{1}' -f $hivePrefix, $Engine
    Assert-Success (Invoke-Program 'reg.exe' @('load', $key, $copy)) 'reg load'
    try {
        $path = '{0}\Microsoft\SystemCertificates\{1}\Certificates\{2}' -f $key, $Store, $Thumbprint
        $done = Invoke-Program 'reg.exe' @('query', $path, '/v', 'Blob')
        Assert-Success $done "reg query $path"
        $found = [regex]::Match($done.Output, 'REG_BINARY\s+([0-9A-Fa-f]+)')
        if (-not $found.Success) { throw "no binary value Blob in $path" }
        $found.Groups[1].Value.ToUpperInvariant()
    } finally {
        Remove-Hive $key
    }
}

# What is compared between the images: hashes of untouched files, the descriptor and the attributes of SOFTWARE.
function Get-Evidence([string] $Mount) {
    $hashes = @{}
    foreach ($path in $untouchedPaths) {
        $file = Join-Path $Mount $path
        if (Test-Path -LiteralPath $file) {
            $hashes[$path] = (Get-FileHash -LiteralPath $file -Algorithm SHA256).Hash
        }
    }
    $software = Join-Path $Mount $softwarePath
    @{
        Hashes = $hashes
        Descriptor = (Get-Acl -LiteralPath $software).Sddl
        Attributes = [string] (Get-Item -LiteralPath $software -Force).Attributes
    }
}

# Mounts an image read-only, does something in it, and dismounts it whatever happened.
function Use-Mount([string] $Image, [string] $Name, [scriptblock] $Action) {
    $mount = Join-Path $WorkFolder ("mount-$Name")
    New-Item -ItemType Directory -Path $mount | Out-Null
    try {
        Invoke-Dism @('/Mount-Image', "/ImageFile:$Image", "/Index:$Index", "/MountDir:$mount", '/ReadOnly') "mount $Image"
        & $Action $mount
    } finally {
        $mounted = @(Get-ChildItem -LiteralPath $mount -Force).Count -gt 0
        if ($mounted) {
            try {
                Invoke-Dism @('/Unmount-Image', "/MountDir:$mount", '/Discard') "dismount $mount"
            } catch {
                Write-Line ('STILL MOUNTED: {0}; free it with: DISM /Unmount-Image /MountDir:"{0}" /Discard' -f $mount)
                Write-Line ('        ' + $_.Exception.Message)
                $script:failures += 1
            }
        }
    }
}

# The element 0x20 of a Blob, which holds the certificate.
function Get-CertificateElement([byte[]] $Der) {
    [byte[]] $bytes = [byte[]] (0x20, 0, 0, 0, 1, 0, 0, 0) + [BitConverter]::GetBytes([int] $Der.Length) + $Der
    [BitConverter]::ToString($bytes).Replace('-', '')
}

# Only what is refused before the work begins is thrown; everything else becomes part of the report.
$identity = New-Object System.Security.Principal.WindowsPrincipal([System.Security.Principal.WindowsIdentity]::GetCurrent())
if (-not $identity.IsInRole([System.Security.Principal.WindowsBuiltInRole]::Administrator)) {
    throw 'This script mounts images and loads hives: start Windows PowerShell with "Run as administrator", and run it again.'
}
if ([Environment]::Is64BitOperatingSystem -and -not [Environment]::Is64BitProcess) {
    throw 'This is the 32-bit PowerShell: start the 64-bit one, and run the script again.'
}
foreach ($file in $WinPe, $Cert, $Dism) {
    if (-not (Test-Path -LiteralPath $file -PathType Leaf)) { throw "There is no file $file." }
}
$WinPe = (Resolve-Path -LiteralPath $WinPe).ProviderPath
$Cert = (Resolve-Path -LiteralPath $Cert).ProviderPath
if (Test-Path -LiteralPath $WorkFolder) {
    if (@(Get-ChildItem -LiteralPath $WorkFolder -Force).Count -gt 0) {
        throw "The work folder $WorkFolder is not empty: name another one with -WorkFolder."
    }
} else {
    New-Item -ItemType Directory -Path $WorkFolder | Out-Null
}
$WorkFolder = (Resolve-Path -LiteralPath $WorkFolder).ProviderPath.TrimEnd('\')
$reportPath = Join-Path $WorkFolder 'winpe-certs-acceptance.txt'
$evidence = @{}
$blobs = @{}
$injected = @{}

try {
    $certificate = New-Object System.Security.Cryptography.X509Certificates.X509Certificate2($Cert)
    $thumbprint = $certificate.Thumbprint.ToUpperInvariant()
    $system = Get-CimInstance -ClassName Win32_OperatingSystem
    Write-Line 'winpe-certs acceptance on Windows'
    Write-Line ('date            ' + (Get-Date).ToUniversalTime().ToString('yyyy-MM-dd HH:mm:ss') + ' UTC')
    Write-Line ('Windows         {0} {1} {2}' -f $system.Caption, $system.Version, $system.OSArchitecture)
    Write-Line ('PowerShell      ' + $PSVersionTable.PSVersion)
    Write-Line ('DISM            {0} {1}' -f (Get-Item -LiteralPath $Dism).VersionInfo.ProductVersion, $Dism)
    Write-Line ('Python          ' + (Invoke-Program $Python @('-c', 'import sys; print(sys.version)')).Output)
    Write-Line ('winpe-certs     ' + (Invoke-Program $Python @('-m', 'winpe_certs', '--version')).Output)
    Write-Line ('image           {0}, index {1}, {2:N0} bytes' -f $WinPe, $Index, (Get-Item -LiteralPath $WinPe).Length)
    Write-Line ('image SHA-256   ' + (Get-FileHash -LiteralPath $WinPe -Algorithm SHA256).Hash)
    Write-Line ('certificate     {0} {1}' -f $thumbprint, $certificate.Subject)
    Write-Line ''

    [void] (Test-Step 'doctor' {
        $document = Invoke-WinPeCerts @('doctor')
        $document | ConvertTo-Json -Depth 8 | Set-Content -LiteralPath (Join-Path $WorkFolder 'doctor.json') -Encoding UTF8
        'see doctor.json in the work folder'
    })

    foreach ($engine in 'original', 'direct', 'dism') {
        $folder = Join-Path $WorkFolder $engine
        New-Item -ItemType Directory -Path $folder | Out-Null
        $image = Join-Path $folder 'winpe.wim'
        Copy-Item -LiteralPath $WinPe -Destination $image
        # A file that came from an ISO is read-only.
        [System.IO.File]::SetAttributes($image, [System.IO.FileAttributes]::Normal)
        $ready = $true

        if ($engine -eq 'original') {
            [void] (Test-Step 'verify says no of the unchanged copy, with exit code 1' {
                $document = Invoke-WinPeCerts @('verify', $image, '--cert', $Cert, '--index', "$Index") 1
                if ($document.ok) { throw 'the report says ok' }
            })
        } else {
            $ready = Test-Step "inject --engine $engine" {
                $before = (Get-Item -LiteralPath $image).Length
                $document = Invoke-WinPeCerts @('inject', $image, '--cert', $Cert, '--index', "$Index", '--engine', $engine)
                if (-not $document.ok) { throw 'the report does not say ok' }
                $stored = @($document.images)[0].certificates | Where-Object { $_.thumbprint -eq $thumbprint }
                $injected[$engine] = $stored
                '{0} in {1}, grown by {2:N0} bytes' -f $stored.status, $stored.store, ((Get-Item -LiteralPath $image).Length - $before)
            }
            if (-not $ready) { continue }

            [void] (Test-Step "verify after $engine" {
                $document = Invoke-WinPeCerts @('verify', $image, '--cert', $Cert, '--index', "$Index")
                $stored = @($document.images)[0].certificates | Where-Object { $_.thumbprint -eq $thumbprint }
                if ($stored.status -ne 'present') { throw ('status is ' + $stored.status) }
                'confirmed by ' + (@($document.images)[0].verified_by -join ' and ')
            })
            [void] (Test-Step "inject --engine $engine once more changes nothing" {
                $before = (Get-FileHash -LiteralPath $image).Hash
                $document = Invoke-WinPeCerts @('inject', $image, '--cert', $Cert, '--index', "$Index", '--engine', $engine)
                if ($document.changed) { throw 'the report says changed' }
                if ((Get-FileHash -LiteralPath $image).Hash -ne $before) { throw 'the file is another one' }
            })
        }

        [void] (Test-Step "mount and look into $engine" {
            Use-Mount $image $engine {
                param([string] $mount)
                $evidence[$engine] = Get-Evidence $mount
                if ($engine -ne 'original') {
                    $blobs[$engine] = Get-StoredBlob $mount $engine $injected[$engine].store $thumbprint
                }
            }
        })
        if ($blobs.ContainsKey($engine)) {
            [void] (Test-Step "the Blob that $engine wrote holds the certificate" {
                $element = Get-CertificateElement $certificate.RawData
                if (-not $blobs[$engine].Contains($element)) { throw ('stored: ' + $blobs[$engine]) }
                '{0} bytes' -f ($blobs[$engine].Length / 2)
            })
        }
        if ($engine -ne 'original' -and $evidence.ContainsKey('original') -and $evidence.ContainsKey($engine)) {
            $old = $evidence['original']
            $new = $evidence[$engine]
            [void] (Test-Step "untouched files are the same after $engine" {
                $other = @($old.Hashes.Keys | Where-Object { $new.Hashes[$_] -ne $old.Hashes[$_] })
                if ($other.Count -gt 0) { throw ('different: ' + ($other -join ', ')) }
                if ($old.Hashes.Count -eq 0) { throw 'none of the files to compare is in the image' }
                '{0} files' -f $old.Hashes.Count
            })
            [void] (Test-Step "the security descriptor of SOFTWARE is the same after $engine" {
                if ($new.Descriptor -cne $old.Descriptor) { throw ("was {0}`r`nis  {1}" -f $old.Descriptor, $new.Descriptor) }
                $old.Descriptor
            })
            [void] (Test-Step "the attributes of SOFTWARE are the same after $engine" {
                if ($new.Attributes -ne $old.Attributes) { throw ('was {0}, is {1}' -f $old.Attributes, $new.Attributes) }
                $old.Attributes
            })
        }
    }

    if ($blobs.Count -eq 2) {
        [void] (Test-Step 'both engines store the same Blob' {
            if ($blobs['direct'] -ne $blobs['dism']) { throw ("direct {0}`r`ndism   {1}" -f $blobs['direct'], $blobs['dism']) }
        })
    }
    [void] (Test-Step 'cleanup finds nothing that is left' {
        $document = Invoke-WinPeCerts @('cleanup')
        $document | ConvertTo-Json -Depth 8 | Set-Content -LiteralPath (Join-Path $WorkFolder 'cleanup.json') -Encoding UTF8
        'see cleanup.json in the work folder'
    })
    [void] (Test-Step 'the given image is untouched' {
        if ((Get-FileHash -LiteralPath $WinPe -Algorithm SHA256).Hash -ne (Get-FileHash -LiteralPath (Join-Path $WorkFolder 'original\winpe.wim') -Algorithm SHA256).Hash) {
            throw 'its hash is no longer that of the first copy'
        }
    })
} catch {
    $script:failures += 1
    Write-Line ('FAILED  the script itself: ' + $_.Exception.Message)
    Write-Line ('        ' + $_.InvocationInfo.PositionMessage)
} finally {
    Write-Line ''
    Write-Line ('result: ' + $(if ($script:failures) { "$($script:failures) FAILED" } else { 'everything passed' }))
    $script:lines | Set-Content -LiteralPath $reportPath -Encoding UTF8
    Write-Host ''
    Write-Host "The report is $reportPath. Read it, send it in with doctor.json and cleanup.json, then delete $WorkFolder."
}
exit $(if ($script:failures) { 1 } else { 0 })
