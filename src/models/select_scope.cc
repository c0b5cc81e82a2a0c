#include "models/select_scope.h"

#include "clickhouse/schema.h"

#include <algorithm>

namespace tidemark::models {
Expression Expression::of_column(std::string name, size_t source) {
  return {{{.text = std::move(name), .source = source}}};
}

void Expression::add(std::string_view text) {
  if (!pieces.empty() && !pieces.back().column()) {
    pieces.back().text += " ";
    pieces.back().text += text;
  } else {
    pieces.push_back({.text = std::string(text)});
  }
}

void Expression::add(const Expression& part) {
  if (part.plain()) {
    pieces.push_back(part.pieces[0]);
    return;
  }
  add("(");
  for (const auto& piece : part.pieces) {
    if (piece.column())
      pieces.push_back(piece);
    else
      add(piece.text);
  }
  add(")");
}

std::set<size_t> Expression::sources() const {
  std::set<size_t> found;
  for (const auto& piece : pieces)
    if (piece.column()) found.insert(piece.source);
  return found;
}

std::set<std::string> Expression::columns_of(size_t source) const {
  std::set<std::string> found;
  for (const auto& piece : pieces)
    if (piece.source == source) found.insert(piece.text);
  return found;
}

bool Expression::calls_array_join() const {
  return std::any_of(pieces.begin(), pieces.end(), [](const auto& piece) {
    if (piece.column()) return false;
    std::string lower = piece.text;
    std::transform(lower.begin(), lower.end(), lower.begin(), ::tolower);
    return lower.find("arrayjoin") != std::string::npos;
  });
}

std::string Expression::sql(const std::function<std::string(const ExpressionPiece&)>& column) const {
  std::string out;
  for (const auto& piece : pieces) {
    if (!out.empty()) out += " ";
    out += piece.column() ? column(piece) : piece.text;
  }
  return out;
}

std::string Expression::sql() const {
  return sql([](const ExpressionPiece& piece) { return clickhouse::quote_identifier(piece.text); });
}

size_t SelectScope::source_with(std::string_view column) const {
  for (size_t index = 0; index < columns.size(); ++index)
    if (columns[index].contains(std::string(column))) return index;
  return no_source;
}

size_t SelectScope::source_called(std::string_view alias) const {
  for (size_t index = 0; index < joins.sources.size(); ++index)
    if (joins.sources[index].alias == alias) return index;
  return no_source;
}

Expression SelectScope::resolve(TokenRange range, const SelectItem* inside) const {
  std::vector<const SelectItem*> open;
  if (inside != nullptr) open.push_back(inside);
  return resolve(range, open, false);
}

Expression SelectScope::resolve_condition(TokenRange range) const {
  std::vector<const SelectItem*> open;
  return resolve(range, open, true);
}

Expression SelectScope::resolve(TokenRange range, std::vector<const SelectItem*>& open,
                                bool condition) const {
  const auto& tokens = text->tokens;
  Expression expression;
  // x -> ..., (x, y) -> ...
  std::set<std::string> parameters;
  for (size_t index = range.first; index < range.last; ++index) {
    if (!tokens[index].is("->") || index == range.first) continue;
    size_t last = index - 1;
    size_t first = tokens[last].is(")") ? text->partner[last] : last;
    for (; first <= last; ++first)
      if (tokens[first].identifier()) parameters.insert(tokens[first].name);
  }
  for (size_t index = range.first; index < range.last; ++index) {
    const Token& token = tokens[index];
    bool name = token.identifier() && !text->call(index) && !(index > 0 && tokens[index - 1].is(".")) &&
                !parameters.contains(token.name);
    if (!name) {
      expression.add(token.text);
      continue;
    }
    auto dotted = [&](size_t at) {
      return at + 2 < range.last && tokens[at + 1].is(".") && tokens[at + 2].identifier();
    };
    // source.column, database.table.column
    if (dotted(index)) {
      size_t at = index + 2;
      size_t source = source_called(token.name);
      if (source == no_source && dotted(at)) {
        source = source_called(tokens[at].name);
        at += 2;
      }
      if (source != no_source && columns[source].contains(tokens[at].name)) {
        expression.pieces.push_back({.text = tokens[at].name, .source = source});
        index = at;
        continue;
      }
    }
    size_t source = source_with(token.name);
    const SelectItem* item = shape.find(token.name);
    if (item != nullptr && std::find(open.begin(), open.end(), item) != open.end()) item = nullptr;
    if (item != nullptr && !(condition && source != no_source)) {
      open.push_back(item);
      expression.add(resolve(item->expression, open, false));
      open.pop_back();
    } else if (source != no_source) {
      expression.pieces.push_back({.text = token.name, .source = source, .bare = true});
    } else {
      expression.add(token.text);
    }
  }
  return expression;
}

}  // namespace tidemark::models
