// Where a page's websocket is: the `path` of its own address, on the host that it came from.

export function websocketAddress() {
  const path = new URLSearchParams(location.search).get('path') ?? '';
  const address = new URL(`/${path.replace(/^\/+/, '')}`, location.href);
  address.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
  return address.href;
}

export function show(text) {
  document.getElementById('status').textContent = text;
}
