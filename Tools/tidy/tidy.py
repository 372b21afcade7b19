#!/usr/bin/env python3
"""Style as a test: what a reader of this tree may rely on, checked mechanically.

  tidy.py [ROOT]     checks the tree; prints one line a finding; exit 1 if any
  tidy.py --canary   plants one fault for each check in a scratch tree and fails unless each is found
"""
import contextlib, os, pathlib, re, subprocess, sys, tempfile

PURE = ['Base', 'Identity', 'Vocabulary', 'Wire', 'Membership', 'Measurements', 'Mandates', 'Elections', 'Evidence', 'Rivals',
        'Composition', 'Placement', 'Assignments', 'Desks', 'Sessions', 'Streams', 'Core']
LAYERS = [['Base', 'CSodium', 'CFFmpeg', 'COpus'], ['Identity', 'Vocabulary', 'Wire'],
          ['Membership', 'Measurements', 'Mandates', 'Elections', 'Evidence', 'Rivals', 'Composition', 'Placement',
           'Assignments', 'Desks', 'Sessions', 'Streams'],
          ['Core'],
          ['Transport', 'Media', 'Store', 'Portal', 'Lab', 'Reports', 'Study'], ['Runtime', 'millrace', 'millrace-worker']]
SIDEWAYS = {('Identity', 'Base'), ('Vocabulary', 'Identity'), ('Wire', 'Identity'), ('Wire', 'Vocabulary'),
            ('Placement', 'Composition'),
            ('Evidence', 'Assignments'), ('Desks', 'Assignments'), ('Sessions', 'Assignments'),
            ('Elections', 'Mandates'), ('Evidence', 'Mandates'), ('Evidence', 'Elections'), ('Rivals', 'Mandates'), ('Rivals', 'Elections'),
            ('Study', 'Lab'), ('Study', 'Reports'), ('millrace', 'Runtime')}
BANNED = ['ContinuousClock', 'SuspendingClock', 'Date(', 'Task {', 'Task.detached', '.random(', 'shuffled()', 'randomElement(',
          'SystemRandomNumberGenerator', 'DispatchQueue', 'Thread(']
LONGEST_FILE = 400
TOP = {'Package.swift', 'Sources', 'Tests', 'Bootstrap', 'Tools', 'README.md'}


def layer(room):
    return next((i for i, rooms in enumerate(LAYERS) if room in rooms), None)


def without_comments(line):
    return re.sub(r'//.*', '', line)


def swift_files(root):
    for path in sorted((root / 'Sources').rglob('*.swift')):
        if 'Generated' not in path.parts:
            yield path, path.relative_to(root / 'Sources').parts[0]


def check_banned_names(root):
    """L0–L3 know no clock, task or randomness."""
    for path, room in swift_files(root):
        if room not in PURE:
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            for name in BANNED:
                if name in without_comments(line):
                    yield f'{path.relative_to(root)}:{number}: “{name}” in a pure room'


def check_arrows(root):
    """Imports point downward; siblings do not import each other except where shown."""
    rooms = {room for rooms in LAYERS for room in rooms}
    for path, room in swift_files(root):
        if layer(room) is None:
            yield f'{path.relative_to(root)}: no layer has a room “{room}”'
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = re.match(r'\s*(?:@\w+\s+)*(?:public\s+)?import\s+(?:\w+\s+)?([\w-]+)', line)
            if not match or match[1] not in rooms or match[1] == room:
                continue
            other = match[1]
            if layer(other) > layer(room) or layer(other) == layer(room) and (room, other) not in SIDEWAYS:
                yield f'{path.relative_to(root)}:{number}: {room} must not import {other}'


def check_rooms(root):
    """A room names no other below it that it does not import."""
    manifest = root / 'Package.swift'
    for match in re.finditer(r'Room\(\s*name: "([^"]+)"[^()]*?below: \[([^\]]*)\]', manifest.read_text() if manifest.exists() else ''):
        texts = [path.read_text() for path in (root / 'Sources' / match[1]).rglob('*.swift')]
        for other in re.findall(r'"(\w+)"', match[2]):
            if not any(re.search(rf'^\s*(?:@\w+\s+)*(?:public\s+)?import\s+(?:\w+\s+)?{other}\b', text, re.M) for text in texts):
                yield f'Package.swift: {match[1]} names {other}, which it does not import'


def check_length(root):
    """A file is one idea."""
    for folder in ('Sources', 'Tests'):
        for path in sorted((root / folder).rglob('*.swift')):
            count = len(path.read_text().splitlines())
            if 'Generated' not in path.parts and count > LONGEST_FILE:
                yield f'{path.relative_to(root)}: {count} lines where at most {LONGEST_FILE} are allowed'


def check_documentation(root):
    """Every public declaration says what it is."""
    declaration = re.compile(r'\s*public\s+(?:static\s+|final\s+|mutating\s+|indirect\s+|private\(set\)\s+|consuming\s+|nonisolated\s+)*'
                             r'(struct|enum|class|protocol|actor|func|var|let|init|typealias|subscript)\b')
    obvious = re.compile(r'public (static func (<|==)|func hash|var description|init\((validating|_ wire|parsing)|var (wire|data|wireBytes)\b|static func [-+]|typealias)'
                         r'|public static let kind\b|public init\(\w+Literal|public init\(from decoder|public func encode\(to|public static func [-+]=')
    for path, _ in swift_files(root):
        lines = path.read_text().splitlines()
        for i, line in enumerate(lines):
            if not declaration.match(line) or obvious.search(line):
                continue
            above = i - 1
            while above >= 0 and lines[above].strip().startswith('@'):
                above -= 1
            if above < 0 or not lines[above].strip().startswith('///'):
                yield f'{path.relative_to(root)}:{i + 1}: a public declaration without a word: {line.strip()[:80]}'


def check_leftovers(root):
    """Nothing is left for later in the code."""
    for folder in ('Sources', 'Tests'):
        for path in sorted((root / folder).rglob('*.swift')):
            for number, line in enumerate(path.read_text().splitlines(), 1):
                if re.search(r'\b(TODO|FIXME|XXX)\b|fatalError\("', line):
                    yield f'{path.relative_to(root)}:{number}: left for later: {line.strip()[:80]}'


def check_waits(root):
    """Tests wait for conditions with a deadline, never for a fixed time."""
    for path in sorted((root / 'Tests').rglob('*')):
        if path.suffix not in ('.swift', '.py'):
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if re.search(r'Task\.sleep|usleep\(|Thread\.sleep|time\.sleep', line) and not re.search('polling|until cancelled', line):
                yield f'{path.relative_to(root)}:{number}: a fixed wait: {line.strip()[:80]}'


def check_merges(root):
    """No merge was left half done, in whatever kind of file."""
    listed = subprocess.run(['git', 'ls-files', '-co', '--exclude-standard'], cwd=root, capture_output=True, text=True)
    names = listed.stdout.splitlines() if not listed.returncode else [str(p.relative_to(root)) for p in sorted(root.rglob('*')) if p.is_file()]
    for name in names:
        with contextlib.suppress(OSError, UnicodeDecodeError):
            for number, line in enumerate((root / name).read_text().splitlines(), 1):
                if re.match(r'(<{7}|>{7}) ', line):
                    yield f'{name}:{number}: the mark of a merge'


def check_decisions(root):
    """Every decision page is in the list that a reader begins with."""
    folder = root / 'Sources' / 'Core' / 'Core.docc'
    listed = (folder / 'Core.md').read_text() if (folder / 'Core.md').exists() else ''
    for path in sorted((folder / 'Decisions').glob('*.md')):
        if f'<doc:{path.stem}>' not in listed:
            yield f'{path.relative_to(root)}: not listed in Core.md'


def check_top(root):
    """The top level holds the agreed entries and nothing else."""
    for entry in sorted(os.listdir(root)):
        if entry not in TOP and entry != 'Package.resolved' and not entry.startswith('.'):
            yield f'{entry}: not one of {", ".join(sorted(TOP))}'


CHECKS = {
    check_banned_names: ('Sources/Elections/Canary.swift', 'let now = ContinuousClock.now\n'),
    check_arrows: ('Sources/Streams/Canary.swift', 'import Core\n'),
    check_rooms: ('Package.swift', 'Room(name: "Canary", below: ["Base"])'),
    check_length: ('Sources/Base/Canary.swift', '\n' * (LONGEST_FILE + 1)),
    check_documentation: ('Sources/Base/Canary.swift', 'public struct Canary {}\n'),
    check_leftovers: ('Sources/Base/Canary.swift', '// TO' + 'DO: sing\n'),
    check_waits: ('Tests/BaseTests/Canary.swift', 'try await Task.sl' + 'eep(for: .seconds(1))\n'),
    check_merges: ('Sources/Base/Canary.md', '<' * 7 + ' HEAD\n'),
    check_decisions: ('Sources/Core/Core.docc/Decisions/Canary.md', '# Tweet\n'),
    check_top: ('Canary.md', 'tweet\n'),
}


def canaries():
    silent = []
    for check, (name, text) in CHECKS.items():
        with tempfile.TemporaryDirectory() as scratch:
            root = pathlib.Path(scratch)
            for folder in ('Sources', 'Tests'):
                (root / folder).mkdir()
            if list(check(root)):
                silent.append(f'{check.__name__} complains of an empty tree')
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            if not list(check(root)):
                silent.append(f'{check.__name__} did not find its canary')
    return silent


def main():
    if sys.argv[1:] == ['--canary']:
        findings = canaries()
    else:
        root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[2])
        findings = [finding for check in CHECKS for finding in check(root)]
    print('\n'.join(findings) if findings else f'tidy: {len(CHECKS)} checks, nothing found')
    sys.exit(1 if findings else 0)


main()
