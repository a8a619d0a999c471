<?php
/* The tile of the Dashboard, made from what the service keeps in files. */
require_once __DIR__ . '/overview.php';

/** The others are on the page. */
const VFIO_WATCH_MOST_VMS = 4;
const VFIO_WATCH_PAGE = '/Tools/vfio-watch';
/** What of a VM at rest wants to be read, the worst first. */
const VFIO_WATCH_STOPPED = ['will-not-start' => 'will not start', 'may-fail' => 'may not start', 'failed-last-time' => 'failed last time'];
/** Seconds for which a failed start is news; a VM that nobody has tried since is not used any more. */
const VFIO_WATCH_NEWS = 7 * 86400;

/** A table body as Unraid's Dashboard has them: with the header of 7.2 and newer, or with the one before. */
function vfio_watch_tile_body(bool $isNew): string
{
    ['state' => $state, 'rows' => $rows, 'banner' => $banner] = vfio_watch_tile();
    $cog = '<a href="/Settings/vfio-watch-settings" title="Go to the settings of VFIO Watch"><i class="fa fa-fw fa-cog control"></i></a>';
    $icon = '<i class="fa fa-microchip f32 vfio-watch-icon"></i>';
    $status = "<span id=\"vfio-watch-tile-state\" aria-live=\"polite\">$state</span>";
    $header = $isNew
        ? "<span class='tile-header'><span class='tile-header-left'>$icon<div class='section'><h3 class='tile-header-main'>VFIO Watch</h3>$status</div></span>"
            . "<span class='tile-header-right'><span class='tile-header-right-controls'>$cog</span></span></span>"
        : "$icon<div class='section'>VFIO Watch<br>$status<br></div>$cog";
    return "<tbody title='VFIO Watch'><tr><td>$header</td></tr><tr><td><div id='vfio-watch-tile' data-source='/plugins/vfio-watch/include/tile-now.php' data-banner='" . vfio_watch_html($banner) . "'>$rows</div></td></tr></tbody>";
}

/** @return array{state: string, rows: string, banner: string} HTML; the banner is empty where nothing fails */
function vfio_watch_tile(): array
{
    ['service' => $service, 'overview' => $overview] = vfio_watch_overview();
    if ($service === 'off') {
        return [
            'state' => vfio_watch_tone('bad', 'off: nothing is watched'),
            'rows' => '<p><a href="/Settings/vfio-watch-settings">Start it under Settings &gt; VFIO Watch</a></p>',
            'banner' => '',
        ];
    }
    if ($service === 'stuck') {
        return [
            'state' => vfio_watch_tone('bad', 'stuck: it has not said anything for a while'),
            'rows' => '<p><a href="/Settings/vfio-watch-settings">Restart it under Settings &gt; VFIO Watch</a></p>',
            'banner' => '',
        ];
    }
    if ($overview === null) {
        return ['state' => vfio_watch_tone('neutral', 'watching'), 'rows' => '<p>It is looking at the VMs.</p>', 'banner' => ''];
    }
    $stopped = [];
    foreach (array_keys(VFIO_WATCH_STOPPED) as $verdict) {
        array_push($stopped, ...array_filter($overview['vms'] ?? [], fn($vm) => ($vm['verdict'] ?? '') === $verdict));
    }
    return [
        'state' => vfio_watch_tile_state($overview['vms'] ?? [], $stopped),
        'rows' => vfio_watch_tile_vms($stopped) . vfio_watch_tile_failure($overview['failure'] ?? null, $stopped)
            . vfio_watch_tile_update($overview['update'] ?? null) . vfio_watch_tile_picture($overview),
        'banner' => vfio_watch_tile_banner($stopped),
    ];
}

function vfio_watch_tile_state(array $vms, array $stopped): string
{
    if ($stopped !== []) {
        $worst = array_filter($stopped, fn($vm) => $vm['verdict'] === $stopped[0]['verdict']);
        $isBad = in_array('bad', array_column($worst, 'tone'), true);
        $count = count($worst);
        return vfio_watch_tone($isBad ? 'bad' : 'warning', "watching: $count VM" . ($count === 1 ? ' ' : 's ') . VFIO_WATCH_STOPPED[$stopped[0]['verdict']]);
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

/**
 * The answer alone, for the top of a screen on which the tile lies further down; empty where nothing fails. A device that
 * another VM uses at the moment is no failure.
 */
function vfio_watch_tile_banner(array $stopped): string
{
    $failing = array_values(array_filter($stopped, fn($vm) => ($vm['tone'] ?? '') === 'bad'
        || ($vm['verdict'] === 'failed-last-time' && ($vm['failed']['at'] ?? 0) / 1000 > time() - VFIO_WATCH_NEWS)));
    if ($failing === []) {
        return '';
    }
    [$vm] = $failing;
    $others = count($failing) - 1;
    $number = (int) ($vm['failed']['number'] ?? 0);
    $todo = vfio_watch_sentence($vm['todo'] ?? null);
    return '<a class="vfio-watch-banner" href="' . VFIO_WATCH_PAGE . ($number > 0 ? "?start=$number#vfw-chosen" : '') . '"><b>'
        . vfio_watch_html(vfio_watch_text($vm['name'] ?? null)) . '</b> ' . vfio_watch_html(vfio_watch_text($vm['word'] ?? null))
        . ($others > 0 ? " ($others more)" : '') . '. '
        . vfio_watch_html($todo === '' ? vfio_watch_sentence($vm['why'] ?? null) : "What to do first: $todo") . '</a>';
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
