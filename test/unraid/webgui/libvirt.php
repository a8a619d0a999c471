<?php
/*
 * Stands in for the libvirt extension of PHP and the libvirtd behind it: its VMs are the definitions in /etc/libvirt/qemu.
 * A start fails as the recorded one did: with the recorded message, after its lines are in the VM's log, put to now.
 */
const VIR_DOMAIN_NOSTATE = 0, VIR_DOMAIN_RUNNING = 1, VIR_DOMAIN_BLOCKED = 2, VIR_DOMAIN_PAUSED = 3;
const VIR_DOMAIN_SHUTDOWN = 4, VIR_DOMAIN_SHUTOFF = 5, VIR_DOMAIN_CRASHED = 6;
const VIR_CRED_AUTHNAME = 2, VIR_CRED_PASSPHRASE = 5, VIR_DOMAIN_XML_INACTIVE = 2, VIR_CONNECT_GET_DOMAINS_STATS_ACTIVE = 1;
const STAND_IN = '/run/libvirt-stand-in';

$standInError = '';

/** @return array<string, string> XML by name */
function stand_in_vms(): array
{
    $vms = [];
    foreach (glob('/etc/libvirt/qemu/*.xml') as $file) {
        $xml = (string) file_get_contents($file);
        $vms[(string) (new SimpleXMLElement($xml))->name] = $xml;
    }
    return $vms;
}

/** Unraid's code asks whether a domain is a resource. */
function stand_in_domain(string $name)
{
    static $domains = [];
    $domains[$name] ??= fopen("data:text/plain,", 'r');
    return $domains[$name];
}

function stand_in_name($domain): string
{
    foreach (array_keys(stand_in_vms()) as $name) {
        if (stand_in_domain($name) === $domain) {
            return $name;
        }
    }
    return '';
}

function stand_in_refuse(string $why): bool
{
    global $standInError;
    $standInError = $why;
    return false;
}

function libvirt_connect(...$any)
{
    return fopen('php://memory', 'r');
}
function libvirt_get_last_error(): string
{
    return $GLOBALS['standInError'];
}
function libvirt_list_domains($connection): array
{
    return array_keys(stand_in_vms());
}
function libvirt_domain_lookup_by_name($connection, $name)
{
    return isset(stand_in_vms()[$name]) ? stand_in_domain($name) : stand_in_refuse("Domain not found: $name");
}
function libvirt_domain_lookup_by_uuid_string($connection, $uuid)
{
    foreach (stand_in_vms() as $name => $xml) {
        if ((string) (new SimpleXMLElement($xml))->uuid === $uuid) {
            return stand_in_domain($name);
        }
    }
    return stand_in_refuse("Domain not found: $uuid");
}
function libvirt_domain_get_name($domain): string
{
    return stand_in_name($domain);
}
function libvirt_domain_get_uuid_string($domain): string
{
    return (string) (new SimpleXMLElement(libvirt_domain_get_xml_desc($domain)))->uuid;
}
function libvirt_domain_get_xml_desc($domain, ...$any): string
{
    return stand_in_vms()[stand_in_name($domain)] ?? '<domain/>';
}
function libvirt_domain_xml_xpath($domain, string $path, ...$any)
{
    $found = (new SimpleXMLElement(libvirt_domain_get_xml_desc($domain)))->xpath($path) ?: [];
    return $found === [] ? stand_in_refuse('nothing found') : ['num' => count($found)] + array_map('strval', $found);
}
function libvirt_domain_get_info($domain): array
{
    return ['maxMem' => 1048576, 'memory' => 1048576, 'state' => VIR_DOMAIN_SHUTOFF, 'nrVirtCpu' => 4, 'cpuUsed' => 0];
}
function libvirt_node_get_info($connection): array
{
    return ['model' => 'x86_64', 'memory' => 33554432, 'cpus' => 8, 'nodes' => 1, 'sockets' => 1, 'cores' => 8, 'threads' => 1, 'mhz' => 3000];
}
function libvirt_domain_create($domain): bool
{
    $name = stand_in_name($domain);
    $log = @file_get_contents(STAND_IN . "/start.log");
    if ($log === false) {
        return stand_in_refuse('this operation is not what the test is about');
    }
    file_put_contents(STAND_IN . '/started', "$name\n", FILE_APPEND);
    file_put_contents("/var/log/libvirt/qemu/$name.log", stand_in_now($log), FILE_APPEND);
    return stand_in_refuse((string) file_get_contents(STAND_IN . '/start.error'));
}

/** The recorded lines as they would be written now. */
function stand_in_now(string $log): string
{
    $ahead = null;
    return preg_replace_callback('/^(\d{4}-\d\d-\d\d[ T][\d:]{8}\.\d{3})(\d{0,3})(Z|\+0000)/m', function ($found) use (&$ahead) {
        [, $stamp, $micro, $zone] = $found;
        $at = (float) (new DateTime($stamp, new DateTimeZone('UTC')))->format('U.u');
        $ahead ??= microtime(true) - $at;
        $now = DateTime::createFromFormat('U.v', number_format($at + $ahead, 3, '.', ''), new DateTimeZone('UTC'));
        return $now->format($zone === 'Z' ? 'Y-m-d\TH:i:s.v' : 'Y-m-d H:i:s.v') . $micro . $zone;
    }, $log);
}

/* Whatever else the pages may ask says nothing. */
preg_match_all('/\blibvirt_\w+(?=\()/', (string) file_get_contents('/usr/local/emhttp/plugins/dynamix.vm.manager/include/libvirt.php'), $standInAsked);
foreach (array_unique($standInAsked[0]) as $standInName) {
    if (!function_exists($standInName)) {
        eval("function $standInName(...\$any) { return false; }");
    }
}
