<?php
/* The tile of the Dashboard, made from what the service keeps in files. */
require_once __DIR__ . '/overview.php';

/** The others are on the page. */
const VFIO_WATCH_MOST_VMS = 4;
const VFIO_WATCH_PAGE = '/Tools/vfio-watch';

/** A table body as Unraid's Dashboard has them: with the header of 7.2 and newer, or with the one before. */
function vfio_watch_tile_body(bool $isNew): string
{
    ['state' => $state, 'rows' => $rows] = vfio_watch_tile();
    $cog = '<a href="/Settings/vfio-watch-settings" title="Go to the settings of VFIO Watch"><i class="fa fa-fw fa-cog control"></i></a>';
    $icon = '<i class="fa fa-microchip f32 vfio-watch-icon"></i>';
    $status = "<span id=\"vfio-watch-tile-state\" aria-live=\"polite\">$state</span>";
    $header = $isNew
        ? "<span class='tile-header'><span class='tile-header-left'>$icon<div class='section'><h3 class='tile-header-main'>VFIO Watch</h3>$status</div></span>"
            . "<span class='tile-header-right'><span class='tile-header-right-controls'>$cog</span></span></span>"
        : "$icon<div class='section'>VFIO Watch<br>$status<br></div>$cog";
    return "<tbody title='VFIO Watch'><tr><td>$header</td></tr><tr><td><div id='vfio-watch-tile' data-source='/plugins/vfio-watch/include/tile-now.php'>$rows</div></td></tr></tbody>";
}

/** @return array{state: string, rows: string} HTML */
function vfio_watch_tile(): array
{
    ['service' => $service, 'overview' => $overview] = vfio_watch_overview();
    if ($service === 'off') {
        return [
            'state' => vfio_watch_tone('bad', 'off: nothing is watched'),
            'rows' => '<p><a href="/Settings/vfio-watch-settings">Start it under Settings &gt; VFIO Watch</a></p>',
        ];
    }
    if ($service === 'stuck') {
        return [
            'state' => vfio_watch_tone('bad', 'stuck: it has not said anything for a while'),
            'rows' => '<p><a href="/Settings/vfio-watch-settings">Restart it under Settings &gt; VFIO Watch</a></p>',
        ];
    }
    if ($overview === null) {
        return ['state' => vfio_watch_tone('neutral', 'watching'), 'rows' => '<p>It is looking at the VMs.</p>'];
    }
    $stopped = array_values(array_filter(
        $overview['vms'] ?? [],
        fn($vm) => in_array($vm['verdict'] ?? '', ['will-not-start', 'may-fail'], true)
    ));
    return [
        'state' => vfio_watch_tile_state($overview['vms'] ?? [], $stopped),
        'rows' => vfio_watch_tile_vms($stopped) . vfio_watch_tile_failure($overview['failure'] ?? null, $stopped)
            . vfio_watch_tile_update($overview['update'] ?? null) . vfio_watch_tile_picture($overview),
    ];
}

function vfio_watch_tile_state(array $vms, array $stopped): string
{
    $certain = count(array_filter($stopped, fn($vm) => ($vm['tone'] ?? '') === 'bad'));
    if ($certain > 0) {
        return vfio_watch_tone('bad', $certain === 1 ? 'watching: 1 VM will not start' : "watching: $certain VMs will not start");
    }
    if ($stopped !== []) {
        return vfio_watch_tone('warning', count($stopped) === 1 ? 'watching: 1 VM may not start' : 'watching: ' . count($stopped) . ' VMs may not start');
    }
    return vfio_watch_tone('good', $vms === [] ? 'watching: no VM has a passed-through device' : 'watching: nothing stands in the way of your VMs');
}

function vfio_watch_tile_vms(array $stopped): string
{
    $html = '';
    foreach (array_slice($stopped, 0, VFIO_WATCH_MOST_VMS) as $vm) {
        $tone = ($vm['tone'] ?? '') === 'bad' ? 'bad' : 'warning';
        $todo = vfio_watch_sentence($vm['todo'] ?? null);
        $html .= '<p><b>' . vfio_watch_html(vfio_watch_text($vm['name'] ?? null)) . '</b> '
            . vfio_watch_tone($tone, vfio_watch_text($vm['word'] ?? null)) . '<br>'
            . vfio_watch_html(vfio_watch_sentence($vm['why'] ?? null))
            . ($todo === '' ? '' : '<br><b>What to do first:</b> ' . vfio_watch_html($todo)) . '</p>';
    }
    $more = count($stopped) - VFIO_WATCH_MOST_VMS;
    return $html . ($more > 0 ? '<p><a href="' . VFIO_WATCH_PAGE . "\">and $more more</a></p>" : '');
}

/** @param array<int, array> $stopped the VMs that stand above it already */
function vfio_watch_tile_failure(?array $failure, array $stopped): string
{
    if ($failure === null) {
        return '<p><span class="vfw-key">Last failure</span> none on record</p>';
    }
    $number = (int) ($failure['number'] ?? 0);
    $vm = vfio_watch_text($failure['vm'] ?? null);
    $above = current(array_filter($stopped, fn($one) => ($one['name'] ?? '') === $vm));
    $why = vfio_watch_sentence($failure['why'] ?? null);
    if (($failure['isOver'] ?? false) === true) {
        // What is now stands above.
        $since = $above !== false ? ', started since, but not any more' : ' ' . vfio_watch_tone('good', 'has started since');
    } else {
        $isSaid = $above !== false && vfio_watch_sentence($above['why'] ?? null) === $why;
        $since = $isSaid ? '' : '<br>' . vfio_watch_html($why);
    }
    return '<p><span class="vfw-key">Last failure</span> <a href="' . VFIO_WATCH_PAGE . "?start=$number#vfw-chosen\">"
        . vfio_watch_html($vm) . ', ' . vfio_watch_html(vfio_watch_time($failure['at'] ?? null)) . "</a>$since</p>";
}

function vfio_watch_tile_update(?array $update): string
{
    if ($update === null) {
        return '';
    }
    return '<p><span class="vfw-key">Last update</span> ' . vfio_watch_html(vfio_watch_sentence($update['sentence'] ?? null))
        . ', seen ' . vfio_watch_html(vfio_watch_time($update['at'] ?? null)) . '</p>';
}

/** Markup that the program has made and escaped. */
function vfio_watch_tile_picture(array $overview): string
{
    $picture = vfio_watch_sentence($overview['picture'] ?? null);
    return $picture === '' ? '' : '<a class="vfw-picture" href="' . VFIO_WATCH_PAGE . "\" title=\"Open VFIO Watch\">$picture</a>";
}

function vfio_watch_tone(string $tone, string $text): string
{
    return "<span class=\"vfw-said vfw-$tone\">" . vfio_watch_html($text) . '</span>';
}
