// What an eye sees on a page: texts that lie over each other, are cut off, covered or too faint. The tests of these
// functions are in test_looks.py.
window.looks = (() => {
  const SKIPPED = 'script, style, template, noscript, option, title, desc, datalist';
  const GAP = 3;  // pixels between the texts of a drawing, at least, so that numbers side by side do not read as one
  const CONTROLS = 'input:not([type=hidden]), select, textarea, button';

  const shown = element => element.checkVisibility({opacityProperty: true, visibilityProperty: true});
  const name = element => {
    const id = element.id ? '#' + element.id : '';
    const classes = typeof element.className === 'string' && element.className.trim()
      ? '.' + element.className.trim().split(/\s+/).join('.') : '';
    return element.localName + id + classes;
  };
  const shorten = text => text.trim().replace(/\s+/g, ' ').slice(0, 40);
  const tell = item => `${name(item.element)} '${item.text}' at ` +
    `${Math.round(item.box.left)},${Math.round(item.box.top)}`;

  // The box within which an element can be seen: that of all boxes around it which clip. `hard` are those whose
  // contents cannot be reached by scrolling.
  const windows = new Map();
  function clip(element) {
    if (windows.has(element)) return windows.get(element);
    const style = getComputedStyle(element);
    let outer;
    if (!element.parentElement || style.position === 'fixed') {
      outer = {left: -1e9, top: -1e9, right: 1e9, bottom: 1e9, hard: []};
    } else {
      let parent = element.parentElement;
      if (style.position === 'absolute') {  // boxes between it and what it is placed in do not clip it
        while (parent.parentElement && getComputedStyle(parent).position === 'static') parent = parent.parentElement;
      }
      outer = clip(parent);
    }
    let own = outer;
    const clips = (style.overflowX !== 'visible' || style.overflowY !== 'visible') &&
      (style.display !== 'inline' || element instanceof SVGSVGElement);
    if (clips && element !== document.documentElement && element !== document.body) {
      const box = element.getBoundingClientRect();
      const left = box.left + (element.clientLeft || 0), top = box.top + (element.clientTop || 0);
      const width = element instanceof SVGElement ? box.width : element.clientWidth;
      const height = element instanceof SVGElement ? box.height : element.clientHeight;
      const roams = /auto|scroll/.test(style.overflowX + style.overflowY);
      const ellipsis = style.textOverflow === 'ellipsis' || style.webkitLineClamp !== 'none';
      const edge = {element, left, top, right: left + width, bottom: top + height, ellipsis};
      own = {
        left: Math.max(outer.left, left), top: Math.max(outer.top, top),
        right: Math.min(outer.right, left + width), bottom: Math.min(outer.bottom, top + height),
        hard: roams ? [] : [...outer.hard, edge],
      };
    }
    windows.set(element, own);
    return own;
  }

  // Four corners of the ink of a line: a line's box is higher than its letters, so a bit is left off above and below.
  function shrink(box) {
    const rim = 0.14 * (box.bottom - box.top);
    return {left: box.left, right: box.right, top: box.top + rim, bottom: box.bottom - rim};
  }
  const corners = box => [[box.left, box.top], [box.right, box.top], [box.right, box.bottom], [box.left, box.bottom]];
  function bound(quad) {
    const x = quad.map(p => p[0]), y = quad.map(p => p[1]);
    return {left: Math.min(...x), right: Math.max(...x), top: Math.min(...y), bottom: Math.max(...y)};
  }
  function cut(box, window) {
    return {left: Math.max(box.left, window.left), right: Math.min(box.right, window.right),
            top: Math.max(box.top, window.top), bottom: Math.min(box.bottom, window.bottom)};
  }
  const empty = box => box.right - box.left < 1.5 || box.bottom - box.top < 1.5;

  // Every line of every visible text as {element, text, quad, box}: what can be seen of it; `whole` is all of it.
  function lines(within = document.body) {
    const found = [];
    const walker = document.createTreeWalker(within, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const element = node.parentElement;
      if (!node.data.trim() || element.closest(SKIPPED) || !shown(element)) continue;
      const text = shorten(node.data);
      const drawn = element.closest('text');
      if (drawn instanceof SVGTextElement) {  // may be turned
        const matrix = drawn.getScreenCTM(), box = drawn.getBBox();
        if (!matrix || found.some(item => item.element === drawn)) continue;
        const rim = GAP / 2;
        const small = shrink({left: box.x - rim, right: box.x + box.width + rim, top: box.y, bottom: box.y + box.height});
        const turn = point => { const p = new DOMPoint(...point).matrixTransform(matrix); return [p.x, p.y]; };
        const quad = corners(small).map(turn);
        const seen = cut(bound(quad), clip(drawn));
        if (!empty(seen)) found.push({element: drawn, text: shorten(drawn.textContent), quad, box: seen, whole: bound(quad)});
        continue;
      }
      const range = document.createRange();
      range.selectNodeContents(node);
      for (const rect of range.getClientRects()) {
        const whole = shrink(rect), seen = cut(whole, clip(element));
        if (!empty(seen)) found.push({element, text, quad: corners(seen), box: seen, whole});
        else if (!empty(whole)) found.push({element, text, quad: null, box: seen, whole});
      }
    }
    return found;
  }

  function controls() {
    return [...document.body.querySelectorAll(CONTROLS)].filter(shown).flatMap(element => {
      const box = cut(element.getBoundingClientRect(), clip(element));
      if (empty(box)) return [];
      return [{element, text: element.value || element.placeholder || '', quad: corners(box), box, control: true}];
    });
  }

  // How deep two convex quadrilaterals lie in each other (separating axes); not above 0 if they do not.
  function depth(a, b) {
    let least = Infinity;
    for (const quad of [a, b]) {
      for (let i = 0; i < 4; i++) {
        const [p, q] = [quad[i], quad[(i + 1) % 4]];
        const length = Math.hypot(q[0] - p[0], q[1] - p[1]);
        if (!length) continue;
        const normal = [(q[1] - p[1]) / length, (p[0] - q[0]) / length];
        const [s, t] = [a, b].map(each => each.map(point => point[0] * normal[0] + point[1] * normal[1]));
        least = Math.min(least, Math.min(Math.max(...s), Math.max(...t)) - Math.max(Math.min(...s), Math.min(...t)));
      }
    }
    return least;
  }

  function rest() {
    windows.clear();
    scrollTo(0, 0);  // what sticks to the window is where it belongs
  }

  function overlaps(tolerance) {
    rest();
    const items = [...lines().filter(item => item.quad), ...controls()].sort((a, b) => a.box.top - b.box.top);
    const found = new Set();
    items.forEach((item, i) => {
      for (let j = i + 1; j < items.length && items[j].box.top < item.box.bottom; j++) {
        const other = items[j];
        if (item.element === other.element) continue;
        if (item.control && item.element.contains(other.element)) continue;  // a button's own text
        if (other.control && other.element.contains(item.element)) continue;
        if (depth(item.quad, other.quad) > tolerance) found.add(`${tell(item)} over ${tell(other)}`);
      }
    });
    return [...found];
  }

  function cutTexts(tolerance) {
    rest();
    const found = new Set();
    for (const item of lines()) {
      for (const edge of clip(item.element).hard) {
        if (edge.ellipsis || edge.right - edge.left < 2 || edge.bottom - edge.top < 2) continue;  // for screen readers
        const over = Math.max(edge.left - item.whole.left, item.whole.right - edge.right,
                              edge.top - item.whole.top, item.whole.bottom - edge.bottom);
        if (over > tolerance) found.add(`${tell({...item, box: item.whole})} cut by ${name(edge.element)}`);
      }
    }
    return [...found];
  }

  // A point of each line is asked what lies on top there. The page has to be shown whole: resize it to its height.
  function covered() {
    rest();
    const found = new Set();
    for (const item of lines()) {
      if (!item.quad || getComputedStyle(item.element).pointerEvents === 'none') continue;
      const x = (item.box.left + item.box.right) / 2, y = (item.box.top + item.box.bottom) / 2;
      const top = document.elementFromPoint(x, y);
      if (!top || top.contains(item.element) || item.element.contains(top)) continue;
      if (item.element.closest('svg') && item.element.closest('svg') === top.closest('svg')) continue;
      found.add(`${tell(item)} below ${name(top)}`);
    }
    return [...found];
  }

  function sideways() {
    rest();
    const page = document.scrollingElement;
    if (page.scrollWidth <= page.clientWidth + 1) return [];
    const wide = [...document.body.querySelectorAll('*')].filter(element => {
      const box = element.getBoundingClientRect();
      return shown(element) && Math.min(box.right, clip(element.parentElement).right) > page.clientWidth + 1;
    });
    const deepest = wide.filter(element => !wide.some(other => other !== element && element.contains(other)));
    return [`${page.scrollWidth} pixels in ${page.clientWidth}`, ...deepest.slice(0, 10).map(name)];
  }

  // What scrolls by mouse and finger alone: keys scroll what has the focus, or holds what has it.
  function stuck() {
    return [...document.body.querySelectorAll('*')].filter(element => {
      const style = getComputedStyle(element);
      const over = (/auto|scroll/.test(style.overflowX) && element.scrollWidth > element.clientWidth + 1) ||
        (/auto|scroll/.test(style.overflowY) && element.scrollHeight > element.clientHeight + 1);
      return over && shown(element) && !element.hasAttribute('tabindex') &&
        ![...element.querySelectorAll('a[href], button, input, select, summary, [tabindex="0"]')].some(shown);
    }).map(name);
  }

  // Colours as [r, g, b, alpha], however CSS writes them.
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = 1;
  const brush = canvas.getContext('2d', {willReadFrequently: true});
  const known = new Map();
  function colour(text) {
    if (!known.has(text)) {
      brush.clearRect(0, 0, 1, 1);
      brush.fillStyle = '#000';
      brush.fillStyle = text;
      brush.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = brush.getImageData(0, 0, 1, 1).data;
      known.set(text, [r, g, b, a / 255]);
    }
    return known.get(text);
  }
  const over = (top, below, alpha) => [0, 1, 2].map(i => top[i] * alpha + below[i] * (1 - alpha));
  function luminance(rgb) {
    const [r, g, b] = rgb.map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  }

  // The colour behind an element, or nothing where it is a picture.
  function ground(element) {
    const layers = [];
    for (let each = element; each; each = each.parentElement) {
      const style = getComputedStyle(each);
      if (style.backgroundImage !== 'none') return null;
      const layer = colour(style.backgroundColor);
      if (layer[3] > 0) layers.push(layer);
      if (layer[3] === 1) break;
    }
    const dark = getComputedStyle(document.documentElement).colorScheme.includes('dark') &&
      matchMedia('(prefers-color-scheme: dark)').matches;
    return layers.reverse().reduce((below, layer) => over(layer, below, layer[3]), dark ? [18, 18, 18] : [255, 255, 255]);
  }

  function faint() {
    rest();
    const found = new Map();
    for (const {element, text, box} of lines()) {
      if (element.closest('[disabled], [aria-disabled=true]')) continue;
      const style = getComputedStyle(element), below = ground(element);
      if (!below) continue;
      const ink = colour(element instanceof SVGElement ? style.fill : style.color);
      let alpha = ink[3];
      for (let each = element; each; each = each.parentElement) alpha *= getComputedStyle(each).opacity;
      const [a, b] = [luminance(over(ink, below, alpha)), luminance(below)];
      const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
      if (contrast < (large ? 3 : 4.5)) {
        found.set(name(element), `${tell({element, text, box})} has a contrast of ${contrast.toFixed(2)}`);
      }
    }
    return [...found.values()];
  }

  return {overlaps, cut: cutTexts, covered, sideways, stuck, faint};
})();
