"""One picture of a comparison: a bar for each proxy and scenario, as a ratio to nginx (SVG, no script, no font of its own)."""
from html import escape

COLOURS = {"nginx": "#9aa0a6", "haproxy": "#c58f4a", "sallyport": "#2f6f9f"}
BAR, GAP, LEFT, SCALE = 15, 12, 340, 200


def of(rows):
    """rows: (scenario, proxy, ratio to nginx). Gives the text of an SVG."""
    out, y, last = [], 30, None
    for scenario, peer, ratio in rows:
        if scenario != last:
            y += GAP
            out.append(f'<text x="8" y="{y + 12}" font-weight="bold">{escape(scenario)}</text>')
            last = scenario
        width = min(ratio, 3) * SCALE
        colour = COLOURS.get(peer.replace(",", " ").split()[0], "#bdbdbd")
        out.append(f'<text x="{LEFT - 6}" y="{y + 12}" text-anchor="end">{escape(peer)}</text>'
                   f'<rect x="{LEFT}" y="{y}" width="{width:.0f}" height="{BAR - 2}" fill="{colour}"/>'
                   f'<text x="{LEFT + width + 5:.0f}" y="{y + 12}">{ratio:.2f}{" (cut)" if ratio > 3 else ""}</text>')
        y += BAR
    line = f'<line x1="{LEFT + SCALE}" y1="30" x2="{LEFT + SCALE}" y2="{y + 6}" stroke="#444" stroke-dasharray="3 3"/>'
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + 3 * SCALE + 80}" height="{y + 20}" font-family="sans-serif" font-size="12">'
            f'<rect width="100%" height="100%" fill="white"/><text x="8" y="20" font-size="14">CPU time a request (memory of an idle connection, latency), nginx = 1; less is better</text>'
            f'{line}{"".join(out)}</svg>\n')
