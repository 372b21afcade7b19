"""The researcher's side: studies, sweeps, plots, and traces of real peers, as commands."""
import csv, json, os, pathlib, signal, subprocess, sys

import pytest
from conftest import hear_interrupts
from overlay import MILLRACE, ROOT, wait_for
from test_page import CHROMIUM, FLAGS

LAB = ROOT / 'Tools' / 'lab'


def lab(*arguments, **options):
    return subprocess.run([MILLRACE, 'lab', *map(str, arguments)], capture_output=True, text=True, timeout=240, **options)


def rows(path):
    return list(csv.DictReader(open(path, newline='')))


def tool(name, *arguments):
    return subprocess.run([LAB / name, *map(str, arguments)], capture_output=True, text=True, timeout=600, env={**os.environ, 'MILLRACE': str(MILLRACE)})


def grid(folder, text):
    path = folder / 'grid.yaml'
    path.write_text(text)
    return path


def test_a_study_leaves_a_report_for_people_tables_for_programs_and_says_its_progress(tmp_path):
    done = lab('run', LAB / 'studies' / 'liars.yaml', '--runs', 1200, '--seed', 5, '--out', tmp_path / 'out', '--json')
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said['title'] == 'Unlucky electorates' and any('5…1204' in note for note in said['notes'])
    assert done.stderr.splitlines()[-1] == '3 of 3 parts done'
    page = (tmp_path / 'out' / 'report.html').read_text()
    assert 'src=' not in page and 'href=' not in page and '@import' not in page, 'the page needs no other file or host'
    assert '<svg' in page and 'millrace lab run' in page and '--seed 5' in page
    assert {row['draws'] for row in rows(tmp_path / 'out' / 'runs.csv')} == {'1200'}
    exact = {(r['k'], r['liars']): float(r['value']) for r in rows(tmp_path / 'out' / 'summary.csv') if r['metric'] == 'p_unlucky_exact'}
    assert exact['7', '0.2'] == pytest.approx(0.147, abs=0.001)
    again = lab('run', LAB / 'studies' / 'liars.yaml', '--runs', 1200, '--seed', 5, '--threads', 1, '--json')
    assert json.loads(again.stdout)['summary'] == said['summary']


@pytest.mark.parametrize('text, said', [
    ('nodes: 5\nstrategies: [loudest]\n', 'study.yaml:2: strategies[0]: “loudest” is not known; allowed: rendezvous'),
    ('study: liars\nsizes: [7]\nnods: 3\n', 'study.yaml:3: nods: there is no such field'),
    ('topology: {matrix: {file: none.txt, unit: ms}}\n', 'none.txt: not to be read as text'),
    ('a: [\n', 'is not YAML'),
])
def test_a_mistake_in_a_study_is_told_with_its_place(tmp_path, text, said):
    (tmp_path / 'study.yaml').write_text(text)
    done = lab('run', 'study.yaml', cwd=tmp_path)
    assert done.returncode == 1 and said in done.stderr, done.stderr


def test_a_scenario_of_the_swarm_still_plays_from_its_file(tmp_path):
    path = tmp_path / 'scenario.json'
    path.write_text(lab('replay', '3', '--scenario').stdout)
    done = lab('run', path, '--trace', tmp_path / 'trace')
    assert done.returncode == 0, done.stderr + done.stdout
    kinds = [json.loads(line)['kind'] for line in open(tmp_path / 'trace')]
    assert kinds[0] == 'scenario' and kinds[-1] == 'outcome' and 'event' in kinds


CELLS = 'study: studies/liars.yaml\nruns: 600\ngrid:\n  nodes: [100, 200, 300, 400]\n  sizes: [[7], [13]]\n'


def test_an_interrupted_sweep_keeps_what_is_finished_and_goes_on(tmp_path):
    out = tmp_path / 'out'
    command = [LAB / 'sweep', grid(tmp_path, CELLS), '--out', out, '--workers', '1', '--millrace', MILLRACE]
    tool('sweep', '--help')
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=hear_interrupts)
    try:
        # The environment is made the first time.
        wait_for(lambda: process.poll() is not None or list((out / 'cells').glob('*.json')), 420, 'the first cell is done')
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[1]
    finally:
        process.kill()
    assert process.returncode == 130 and 'the same command goes on' in said, said
    kept = {path.name: path.stat().st_mtime_ns for path in (out / 'cells').glob('*.json')}
    assert 1 <= len(kept) < 8 and not (out / 'table.csv').exists()
    again = subprocess.run(command, capture_output=True, text=True, timeout=400)
    assert again.returncode == 0, again.stderr
    assert f'{8 - len(kept)} cells to run, {len(kept)} kept from before' in again.stderr
    assert all((out / 'cells' / name).stat().st_mtime_ns == at for name, at in kept.items()), 'finished cells are not run again'
    table = rows(out / 'table.csv')
    assert {(row['nodes'], row['sizes']) for row in table} == {(n, s) for n in ('100', '200', '300', '400') for s in ('[7]', '[13]')}
    assert len(table) == 8 * 2 * 3, 'a drawn and an exact figure for each of three shares'
    check = 'import pyarrow.parquet as p, sys; t = p.read_table(sys.argv[1]); print(t.num_rows, *t.column_names)'
    python = pathlib.Path(os.environ.get('MILLRACE_LAB_PYTHON', ROOT / '.build' / 'lab-python')) / 'bin' / 'python'
    read = subprocess.run([python, '-c', check, out / 'table.parquet'], capture_output=True, text=True)
    assert read.stdout.split()[0] == '48' and read.stdout.split()[1:] == list(table[0]), read.stderr


def test_a_cell_that_cannot_be_is_told_and_the_others_are_kept(tmp_path):
    path = grid(tmp_path, 'study: studies/liars.yaml\nruns: 20\ngrid:\n  nodes: [50, none]\n')
    done = tool('sweep', path, '--out', tmp_path / 'out', '--workers', '1')
    assert done.returncode == 1 and 'a whole number from 1' in done.stderr and '1 cells failed' in done.stderr, done.stderr
    assert len(list((tmp_path / 'out' / 'cells').glob('*.json'))) == 1
    for text, said in (('grid: {a: [1]}\n', 'study: the file'), ('study: studies/liars.yaml\ngrid: {a: 1}\n', 'each with a list'),
                       ('study: none.yaml\ngrid: {a: [1]}\n', 'is not there'), ('stude: x\n', 'there is no field stude')):
        done = tool('sweep', grid(tmp_path, text), '--out', tmp_path / 'bad')
        assert done.returncode == 1 and said in done.stderr, done.stderr


MATRICES = {'near.txt': '0 4 4\n4 0 4\n4 4 0\n', 'far.txt': '0 80 80\n80 0 80\n80 80 0\n'}
MATRIX_STUDY = ('nodes: 4\nlasts: 2s\nwarmup: 10s\nrequests: {at: [1s], sources: 1}\nstrategies: [rendezvous]\n'
                'topology: {matrix: {file: near.txt, unit: ms}}\n')


def mandate_times(table):
    return {row.get('topology.matrix.file', 'near.txt'): float(row['value']) for row in rows(table) if row['metric'] == 'mandate_p50_ms'}


def test_a_sweep_over_files_takes_them_along_and_runs_a_cell_again_when_its_file_or_the_program_changed(tmp_path):
    for name, text in MATRICES.items():
        (tmp_path / 'studies' / name).parent.mkdir(exist_ok=True)
        (tmp_path / 'studies' / name).write_text(text)
    (tmp_path / 'studies' / 's.yaml').write_text(MATRIX_STUDY)
    path, program = grid(tmp_path, 'study: studies/s.yaml\ngrid: {topology.matrix.file: [near.txt, far.txt]}\n'), tmp_path / 'program'
    program.write_text(f'#!/bin/sh\nexec {MILLRACE} "$@"\n')
    program.chmod(0o755)

    def sweep():
        return tool('sweep', path, '--out', tmp_path / 'out', '--workers', '1', '--millrace', program)
    done = sweep()
    assert done.returncode == 0 and '2 cells to run, 0 kept' in done.stderr, done.stderr
    first = mandate_times(tmp_path / 'out' / 'table.csv')
    assert first['far.txt'] > 5 * first['near.txt']
    assert '0 cells to run, 2 kept' in sweep().stderr
    (tmp_path / 'studies' / 'near.txt').write_text(MATRICES['far.txt'])
    done = sweep()
    assert '1 cells to run, 1 kept' in done.stderr, 'only the cell whose file changed is run again: ' + done.stderr
    again = mandate_times(tmp_path / 'out' / 'table.csv')
    assert again['near.txt'] == again['far.txt'] == first['far.txt']
    program.write_text(program.read_text() + '# another build\n')
    assert '2 cells to run, 0 kept' in sweep().stderr
    (tmp_path / 'studies' / 'near.txt').write_text('0 1e300\n1 0\n')
    done = sweep()
    assert done.returncode == 1 and 'near.txt: row 1, column 2: 1e300 ms is no round trip' in done.stderr and '1 cells failed' in done.stderr, done.stderr


@pytest.mark.parametrize('parameter, said', [
    ('strategies.7: [raft]', 'grid: strategies.7: strategies is a list of 1, with the places 0 to 0; “7” is none of them'),
    ('title.x: [a]', 'grid: title.x: title is “T”, which has no fields; “x” cannot be one'),
    ('topology.matrix.file: [none.txt]', 'topology.matrix.file: '),
    ('weather.0: [a]', 'weather.0: there is no such field'),
    ('7: [a]', '7: there is no such field'),
    ('title: [2026-01-01]\n  nodes: [x]', '“x”'),
])
def test_a_grid_that_no_study_fits_is_told_without_a_traceback(tmp_path, parameter, said):
    (tmp_path / 's.yaml').write_text('title: T\nstrategies: [rendezvous]\nweather: {loss: 0}\n')
    done = tool('sweep', grid(tmp_path, f'study: s.yaml\ngrid:\n  {parameter}\n'), '--out', tmp_path / 'out', '--workers', '1')
    assert done.returncode == 1 and said in done.stderr and 'Traceback' not in done.stderr, done.stderr


def test_no_thread_said_means_one_for_each_core(tmp_path):
    done = lab('run', LAB / 'studies' / 'liars.yaml', '--runs', 20, '--threads', 0)
    assert done.returncode == 0 and f'on {min(64, len(os.sched_getaffinity(0)))} threads' in done.stdout, done.stdout + done.stderr


def test_what_liars_gain_is_told_in_a_line_too(tmp_path):
    for seed in range(1, 20):
        scenario = lab('replay', seed, '--scenario').stdout
        liars = len(json.loads(scenario)['liars'])
        (tmp_path / 's.json').write_text(scenario)
        told = lab('replay', seed).stdout
        assert (' of honest portals' in told) == (liars > 0), told
        if liars:
            break
    outcome = json.loads(lab('run', tmp_path / 's.json', '--json').stdout)['liars']
    assert f"won {outcome['won']} of {outcome['tenures']} elections of honest portals" in told
    swarm = lab('swarm', '--runs', 1, '--seed', seed).stdout
    assert f"won {outcome['won']} of {outcome['tenures']} elections of honest portals" in swarm, swarm


SEVEN = 'rendezvous, sortition, nearest, leastLoaded, bully, raft, firstResponder'


@pytest.mark.skipif(CHROMIUM is None, reason='no chromium')
def test_a_report_on_seven_strategies_is_not_cut_in_print(tmp_path):
    from playwright.sync_api import sync_playwright
    (tmp_path / 's.yaml').write_text(f'nodes: 5\nlasts: 3s\nwarmup: 10s\nrequests: {{rate: 2/s, sources: 2}}\nstrategies: [{SEVEN}]\n'
                                     'faults: [{what: managerDies, at: 1s, lasts: 3s, share: 50%}]\n')
    assert lab('run', tmp_path / 's.yaml', '--out', tmp_path / 'out').returncode == 0
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        # A4 between margins of a centimetre.
        page = browser.new_page(viewport={'width': 718, 'height': 1047})
        page.goto((tmp_path / 'out' / 'report.html').as_uri())
        cut = "() => [...document.querySelectorAll('.wide')].map(e => e.scrollWidth - e.clientWidth).concat(document.documentElement.scrollWidth - 718)"
        assert max(page.evaluate(cut)) > 0, 'on a screen it scrolls'
        page.emulate_media(media='print')
        assert max(page.evaluate(cut)) <= 0 and page.evaluate("() => document.querySelectorAll('.wide th').length") > 20
        browser.close()


def test_pictures_are_drawn_from_the_tables(tmp_path):
    assert lab('run', LAB / 'studies' / 'liars.yaml', '--runs', 100, '--out', tmp_path).returncode == 0
    done = tool('plots', tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / 'unlucky-electorates.png').read_bytes()[:8] == b'\x89PNG\r\n\x1a\n'
    assert tool('plots', tmp_path / 'nowhere').returncode == 1


def test_traces_of_real_peers_are_read_by_the_same_report(overlay, media, tmp_path):
    for number, name in enumerate(('alpha', 'bravo', 'charlie'), 1):
        peer = overlay.add(name, f'127.0.0.{number}', slots=12, **({'share': str(media)} if number == 1 else {}))
        peer.config['trace'] = str(peer.folder / 'trace.jsonl')
    overlay.start()
    portal = overlay['bravo']
    services = [portal.request('POST', '/v1/services', f"source: millrace://{overlay['alpha'].id}/short.mkv\nvideo: {{height: {height}}}\naudio: none\ncaptions: none\n")['id']
                for height in (90, 120)]
    managers = {service: portal.get(f'/v1/services/{service}')['manager'] for service in services}
    for service in services:
        portal.request('DELETE', f'/v1/services/{service}')
    traces = [peer.config['trace'] for peer in overlay.peers.values()]
    first = json.loads(open(traces[1]).readline())
    assert first['kind'] == 'start' and first['node'] == portal.id
    done = lab('report', *traces, '--out', tmp_path / 'out')
    assert done.returncode == 0, done.stderr
    told = {row['request']: row for row in rows(tmp_path / 'out' / 'runs.csv')}
    assert set(told) == set(services)
    for service, row in told.items():
        assert row['manager'] == managers[service] and row['portal'] == portal.id and row['electors'] == '3'
        assert 0 < float(row['mandate_ms']) < 5_000 and row['two_mandates'] == '0' and row['messages'] == ''
    assert 'Elections in 3 traces' in (tmp_path / 'out' / 'report.html').read_text()
    done = lab('report', overlay['alpha'].folder / 'log')
    assert done.returncode == 1 and 'is no line of a trace' in done.stderr
