# Flattens JSON to lines of path and value: {"a":[{"b":1}]} becomes `a.0.b=1`. Text is unescaped (\n stays as a
# backslash and an n: values here are one line each).
{ text = text $0 "\n" }
END { position = 1; size = length(text); value("") }
function space() { while (position <= size && substr(text, position, 1) ~ /[ \t\r\n]/) position++ }
function string(    start, found, out, piece) {
  position++
  out = ""
  while (1) {
    match(substr(text, position), /["\\]/)
    if (RSTART == 0) { position = size + 1; return out }
    out = out substr(text, position, RSTART - 1)
    position += RSTART - 1
    if (substr(text, position, 1) == "\"") { position++; return out }
    piece = substr(text, position + 1, 1)
    if (piece == "n" || piece == "r" || piece == "t") out = out "\\" piece
    else if (piece == "u") { out = out "\\u" substr(text, position + 2, 4); position += 4 }
    else out = out piece
    position += 2
  }
}
function value(path,    c, key, index_, start) {
  space()
  c = substr(text, position, 1)
  if (c == "{") {
    position++
    for (space(); position <= size && substr(text, position, 1) != "}"; space()) {
      if (substr(text, position, 1) == ",") { position++; space() }
      key = string()
      space()
      position++
      value(path == "" ? key : path "." key)
    }
    position++
  } else if (c == "[") {
    position++
    index_ = 0
    for (space(); position <= size && substr(text, position, 1) != "]"; space()) {
      if (substr(text, position, 1) == ",") position++
      value(path "." index_++)
    }
    position++
  } else if (c == "\"") {
    print path "=" string()
  } else {
    match(substr(text, position), /[],} \t\r\n]/)
    if (RSTART == 0) RSTART = size - position + 2
    if (RSTART == 1) { position++; return }
    print path "=" substr(text, position, RSTART - 1)
    position += RSTART - 1
  }
}
