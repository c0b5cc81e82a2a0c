// A tile as a PNG: its title, what its colours mean, and the drawing (uPlot's canvas, or an SVG), on the card's ground.
// Made in the browser at the density of the screen.

function drawingOf(card: HTMLElement): HTMLCanvasElement | SVGSVGElement | null {
  return card.querySelector<HTMLCanvasElement>('.body canvas') ?? card.querySelector<SVGSVGElement>('.body .plot svg');
}

// An SVG stands alone only with its styles in it.
async function pictureOf(svg: SVGSVGElement, scale: number): Promise<HTMLImageElement> {
  const copy = svg.cloneNode(true) as SVGSVGElement;
  const originals = [...svg.querySelectorAll<SVGElement>('*')];
  [...copy.querySelectorAll<SVGElement>('*')].forEach((element, index) => {
    const style = getComputedStyle(originals[index]!);
    for (const name of ['fill', 'stroke', 'stroke-width', 'opacity', 'font-size', 'font-family']) element.style.setProperty(name, style.getPropertyValue(name));
  });
  const { width, height } = svg.getBoundingClientRect();
  copy.setAttribute('width', String(width * scale));
  copy.setAttribute('height', String(height * scale));
  copy.setAttribute('viewBox', `0 0 ${width} ${height}`);
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(new XMLSerializer().serializeToString(copy))}`;
  await image.decode();
  return image;
}

export async function savePicture(card: HTMLElement, title: string, name: string): Promise<void> {
  const drawing = drawingOf(card);
  if (!drawing) return;
  const scale = Math.max(1, devicePixelRatio);
  const box = drawing.getBoundingClientRect();
  const style = getComputedStyle(card);
  const [pad, head] = [16, 58];
  const canvas = document.createElement('canvas');
  canvas.width = (box.width + 2 * pad) * scale;
  canvas.height = (box.height + head + pad) * scale;
  const pen = canvas.getContext('2d')!;
  pen.scale(scale, scale);
  pen.fillStyle = style.backgroundColor;
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.fillStyle = style.color;
  pen.font = `600 15px ${style.fontFamily}`;
  pen.fillText(title, pad, 26);
  pen.font = `12px ${style.fontFamily}`;
  let at = pad;
  for (const entry of card.querySelectorAll<HTMLElement>('.legend > span')) {
    const colour = entry.querySelector('i');
    const text = entry.textContent.trim().replaceAll(/\s+/g, ' ');
    if (!colour || !text) continue;
    pen.fillStyle = getComputedStyle(colour).backgroundColor;
    pen.fillRect(at, 42, 10, 4);
    pen.fillStyle = style.color;
    pen.fillText(text, at + 15, 48);
    at += 15 + pen.measureText(text).width + 18;
  }
  pen.drawImage(drawing instanceof SVGSVGElement ? await pictureOf(drawing, scale) : drawing, pad, head, box.width, box.height);
  const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, 'image/png'));
  if (!blob) return;
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
