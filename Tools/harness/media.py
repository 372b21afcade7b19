"""What arrived, measured with FFmpeg's own tools and held against what one ffmpeg process makes of the same source."""
import json, pathlib, re, subprocess

TEXT_CODECS = {'subrip', 'srt', 'ass', 'ssa', 'webvtt', 'mov_text', 'text'}


def output_of(*command):
    return subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True).stdout


def probe(path, *entries):
    """ffprobe's JSON of a file, packets counted."""
    return json.loads(output_of('ffprobe', '-v', 'error', '-count_packets', '-show_streams', '-show_format', '-of', 'json', *entries, path))


def tracks(path):
    """The first track of each kind that a service can use, and the file's length in seconds (0: it does not say)."""
    found = json.loads(output_of('ffprobe', '-v', 'error', '-show_streams', '-show_format', '-of', 'json', path))
    kinds = {}
    for stream in found['streams']:
        kind = stream['codec_type']
        if stream.get('disposition', {}).get('attached_pic') or kind == 'subtitle' and stream.get('codec_name') not in TEXT_CODECS:
            continue
        kinds.setdefault(kind, stream)
    return kinds, float(found['format'].get('duration', 0))


def packet_times(path, kind):
    """Presentation times in seconds of the first video (`v`) or audio (`a`) track's packets, in order of arrival."""
    said = output_of('ffprobe', '-v', 'error', '-select_streams', f'{kind}:0', '-show_entries', 'packet=pts_time', '-of', 'csv=p=0', path)
    return [float(line.split(',')[0]) for line in said.split() if line.split(',')[0]]


def reference_frames(source, size, rate, seconds=None, track='v:0'):
    """How many frames one ffmpeg process makes of a source's picture at this size and rate; of its first seconds only if they are given."""
    part = ['-t', str(seconds)] if seconds else []
    made = output_of('ffmpeg', '-v', 'error', *part, '-i', source, '-map', f'0:{track}', '-vf', f'fps={rate},scale={size[0]}:{size[1]}', '-c:v', 'rawvideo',
                     '-f', 'framehash', '-')
    return sum(1 for line in made.splitlines() if line and line[0] != '#')


def reference_sound(source, track='a:0'):
    """Seconds of sound that one ffmpeg process decodes."""
    decoded = subprocess.Popen(['ffmpeg', '-v', 'error', '-i', str(source), '-map', f'0:{track}', '-f', 's16le', '-ac', '1', '-ar', '8000', '-'], stdout=subprocess.PIPE)
    count = 0
    while block := decoded.stdout.read(1 << 20):
        count += len(block)
    decoded.wait()
    return count / 2 / 8000


def cues(text):
    """(start, end, text) of each cue of a WebVTT document, in seconds."""
    found = []
    for match in re.finditer(r'(?m)^(?:(\d+):)?(\d+):(\d+\.\d+) --> (?:(\d+):)?(\d+):(\d+\.\d+).*\n((?:.+\n?)*)', text):
        a, b, c, d, e, f, said = match.groups()
        found.append((int(a or 0) * 3600 + int(b) * 60 + float(c), int(d or 0) * 3600 + int(e) * 60 + float(f), said.strip()))
    return found


def source_cues(source, track='s:0'):
    """The cues of a source's first text track, as one ffmpeg process extracts them."""
    return cues(output_of('ffmpeg', '-v', 'error', '-i', source, '-map', f'0:{track}', '-f', 'webvtt', '-'))


def lower_third(path, size, rate, seconds, track='v:0'):
    """The lower third of each of the first frames, as rows of grey bytes."""
    width, height = size
    third = height // 3
    raw = subprocess.run(['ffmpeg', '-v', 'error', '-i', str(path), '-map', f'0:{track}', '-t', str(seconds),
                          '-vf', f'fps={rate},scale={width}:{height},crop={width}:{third}:0:{height - third},format=gray', '-f', 'rawvideo', '-'],
                         check=True, capture_output=True).stdout
    length = width * third
    return [raw[at:at + length] for at in range(0, len(raw) - length + 1, length)]


def written_share(frame, plain):
    """Of a lower third's pixels, how many are near white where the same picture without captions is not: 0 to 1."""
    return sum(1 for seen, meant in zip(frame, plain) if seen > 200 and seen - meant > 60) / len(frame)


def burned(recorded, source, size, rate, within, kinds=None):
    """Per cue of the source that ends before `within` seconds: (its middle, the share of letters in the picture then). And the same for
    moments without a cue. What stands in the picture is judged against the source itself."""
    text, picture = (kinds['subtitle']['index'], kinds['video']['index']) if kinds else ('s:0', 'v:0')
    shown = [cue for cue in source_cues(source, text) if cue[1] < within]
    seen, plain = lower_third(recorded, size, rate, within), lower_third(source, size, rate, within, picture)

    def at(moment):
        frame = min(round(moment * rate), len(seen) - 1, len(plain) - 1)
        return moment, written_share(seen[frame], plain[frame])
    gaps = [(a[1] + b[0]) / 2 for a, b in zip(shown, shown[1:]) if b[0] - a[1] > 0.4]
    return [at((start + end) / 2) for start, end, _ in shown], [at(moment) for moment in gaps]


def write_variable_rate(path, folder, parts=((30, 2), (10, 2), (24, 2)), size='320:180'):
    """A source whose frames come at changing rates, by default 30, then 10, then 24 a second for two seconds each: what screen recorders and
    phones make."""
    path, made, parts = pathlib.Path(path), parts, []
    for number, (rate, seconds) in enumerate(made):
        part = pathlib.Path(folder) / f'{path.stem}-{number}.mkv'
        output_of('ffmpeg', '-v', 'error', '-y', '-f', 'lavfi', '-i', f'testsrc2=size=320x180:rate={rate}', '-t', seconds, '-vf', f'scale={size}', '-c:v', 'libx264', '-preset', 'ultrafast',
                  '-bf', '0', '-pix_fmt', 'yuv444p', part)
        parts.append(part)
    listing = pathlib.Path(folder) / f'{path.stem}.txt'
    listing.write_text(''.join(f"file '{part}'\n" for part in parts))
    output_of('ffmpeg', '-v', 'error', '-y', '-f', 'concat', '-safe', '0', '-i', listing, '-c', 'copy', path)
    return path
