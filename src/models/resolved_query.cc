#include "models/resolved_query.h"

#include "models/compiled_model.h"
#include "models/references.h"

#include <map>

namespace tidemark::models {
namespace {

using clickhouse::quote_identifier;
using clickhouse::quote_string;

constexpr std::string_view mark_begin = "/*source ";

// Words that can stand before a bracket without being a function.
bool operator_word(const Token& token) {
  for (std::string_view word :
       {"IN", "NOT", "AND", "OR", "LIKE", "ILIKE", "IS", "GLOBAL", "AS", "ON", "USING"})
    if (token.keyword(word)) return true;
  return false;
}

std::string structure(size_t number, const std::vector<clickhouse::ColumnDescription>& columns) {
  std::vector<std::string> declared;
  for (const auto& column : columns) declared.push_back(quote_identifier(column.name) + " " + column.type);
  return "null(" + quote_string(fmt::format("{}{}*/ {}", mark_begin, number, joined(declared))) + ")";
}

}  // namespace

std::unique_ptr<ResolvedQuery> ResolvedQuery::of(const ModelSource& source, const SqlText& text,
                                                 const std::set<size_t>& inlined,
                                                 const std::vector<clickhouse::ColumnDescription>& united) {
  auto resolved = std::make_unique<ResolvedQuery>();
  auto refuse = [&](const Error& error) {
    source.complaints.refused(error, "as the server understands it", 1'000'000);
    return nullptr;
  };
  std::string original(text.text({0, text.tokens.size()}));
  size_t shift = text.tokens.empty() ? 0 : text.tokens.front().offset;
  std::optional<std::pair<size_t, std::string>> clock;
  auto seen_through =
      replace_references(original, [&](const TableReference& reference) -> std::optional<std::string> {
        if (reference.column || !inlined.contains(reference.offset + shift)) return std::nullopt;
        auto model = source.inlined_models.find(reference.name());
        if (model == source.inlined_models.end()) return std::nullopt;
        // The server would put the answer of this moment in, for good.
        if (auto tokens = tokenize(model->second); tokens)
          for (const auto& token : *tokens)
            if (token.identifier() && source.functions.changes_by_itself(token.name) &&
                !source.functions.aggregate(token.name) && !lower_case(token.name).starts_with("dict"))
              clock = std::pair(reference.offset + shift,
                                fmt::format("{} uses {}()", reference.name(), token.name));
        return "(" + model->second + ")";
      });
  if (!seen_through) return refuse(seen_through.error());
  if (clock) {
    source.complaints.at(
        clock->first, clock->second + ", so its rows change without a change of the source",
        "read bronze.<table> instead and filter by time when reading, or use `-- kind: view`");
    return nullptr;
  }

  std::optional<Error> failed;
  auto without_tables =
      replace_references(*seen_through, [&](const TableReference& reference) -> std::optional<std::string> {
        if (reference.column) return "";
        Table table;
        auto mirrored = source.tables.find(reference.name());
        if (mirrored != source.tables.end()) {
          table = {mirrored->second.current(), &mirrored->second, mirrored->second.columns};
        } else {
          table.read = clickhouse::quote_table(reference.database, reference.table);
          if (const CompiledModel* model = source.models.find(reference.name())) {
            table.columns = model->columns;
          } else {
            auto columns = clickhouse::table_columns(source.client, reference.database, reference.table);
            if (!columns && !failed) failed = columns.error();
            if (columns) table.columns = std::move(*columns);
          }
        }
        resolved->tables_.push_back(table);
        return structure(resolved->tables_.size() - 1, table.columns);
      });
  if (!without_tables) return refuse(without_tables.error());
  if (failed) return refuse(*failed);
  std::string sql = std::move(*without_tables);
  if (!united.empty()) {
    std::vector<std::string> names;
    for (const auto& column : united) names.push_back(quote_identifier(column.name));
    sql = "SELECT " + joined(names) + " FROM (" + sql + "\n) AS united";
  }
  auto answer = source.client.query_text("EXPLAIN QUERY TREE passes = 1, dump_tree = 0, dump_ast = 1 " + sql +
                                         "\nFORMAT TSVRaw");
  if (!answer) return refuse(answer.error());
  auto read = SqlText::read(std::move(*answer));
  if (!read) return refuse(read.error());
  resolved->text_ = std::move(*read);
  return resolved;
}

const ResolvedQuery::Table* ResolvedQuery::table_at(size_t token) const {
  const auto& all = tokens();
  if (token + 3 >= all.size() || !all[token].identifier() || all[token].name != "null" ||
      !all[token + 1].is("(") || all[token + 2].kind != TokenKind::text)
    return nullptr;
  size_t mark = all[token + 2].text.find(mark_begin);
  if (mark == std::string_view::npos) return nullptr;
  size_t number = std::strtoull(all[token + 2].text.data() + mark + mark_begin.size(), nullptr, 10);
  return number < tables_.size() ? &tables_[number] : nullptr;
}

bool ResolvedQuery::column(size_t token) const {
  const auto& all = tokens();
  return token + 2 < all.size() && all[token].kind == TokenKind::word &&
         all[token].name.starts_with("__table") && all[token + 1].is(".") && all[token + 2].identifier();
}

size_t ResolvedQuery::call_end(size_t token) const {
  if (!text_->call(token) || operator_word(tokens()[token])) return 0;
  size_t close = text_->partner[token + 1];
  if (close == std::string::npos) return 0;
  // quantile(0.5)(x)
  if (close + 1 < tokens().size() && tokens()[close + 1].is("(") &&
      text_->partner[close + 1] != std::string::npos)
    close = text_->partner[close + 1];
  return close + 1;
}

bool ResolvedQuery::mentions(TokenRange range, std::string_view alias) const {
  for (size_t index = range.first; index < range.last; ++index)
    if (column(index) && tokens()[index].name == alias) return true;
  return false;
}

bool ResolvedQuery::reads_elsewhere(TokenRange range, std::string_view alias) const {
  for (size_t index = range.first; index < range.last; ++index) {
    if (column(index) && tokens()[index].name != alias) return true;
    if (text_->call(index) && lower_case(tokens()[index].name).starts_with("dict")) return true;
    if (tokens()[index].keyword("SELECT")) return true;
  }
  return false;
}

std::vector<TokenRange> ResolvedQuery::flattened(TokenRange range, bool conjunction) const {
  range = without_brackets(*text_, range);
  std::vector<TokenRange> parts;
  if (range.empty()) return parts;
  size_t begin = range.first;
  for (size_t index = range.first; index < range.last; ++index) {
    size_t partner = text_->partner[index];
    if (partner != std::string::npos && partner > index) {
      index = partner;
      continue;
    }
    if (!(conjunction ? tokens()[index].keyword("AND") : tokens()[index].is("*"))) continue;
    parts.push_back({begin, index});
    begin = index + 1;
  }
  if (parts.empty()) return {range};
  parts.push_back({begin, range.last});
  std::vector<TokenRange> all;
  for (TokenRange part : parts)
    for (TokenRange inner : flattened(part, conjunction)) all.push_back(inner);
  return all;
}

std::vector<TokenRange> ResolvedQuery::conjuncts(TokenRange range) const {
  return flattened(range, true);
}

std::vector<TokenRange> ResolvedQuery::factors(TokenRange range) const {
  return flattened(range, false);
}

std::string ResolvedQuery::rewrite_list(TokenRange range, const Replacement& replacement) const {
  std::vector<std::string> parts;
  for (TokenRange part : text_->split(range, ","))
    if (!part.empty()) parts.push_back(rewrite(part, replacement));
  return joined(parts);
}

std::string ResolvedQuery::rewrite(TokenRange range, const Replacement& replacement) const {
  if (range.empty()) return {};
  // The body of a lambda has names of its own; only columns can be taken out of it.
  bool lambda = false;
  for (size_t index = range.first; index < range.last; ++index) lambda |= tokens()[index].is("->");
  if (!lambda || text_->split(range, "->").size() == 1)
    if (auto instead = replacement(range)) return *instead;
  bool inside_lambda = text_->split(range, "->").size() > 1;
  std::string out;
  auto add = [&](const std::string& piece) {
    if (!out.empty()) out += ' ';
    out += piece;
  };
  for (size_t index = range.first; index < range.last; ++index) {
    const Token& token = tokens()[index];
    if (column(index)) {
      auto instead = replacement({index, index + 3});
      add(instead ? *instead : text_->normalised({index, index + 3}));
      index += 2;
      continue;
    }
    if (inside_lambda) {
      add(std::string(token.text));
      continue;
    }
    if (size_t end = call_end(index)) {
      if (auto instead = replacement({index, end})) {
        add(*instead);
      } else {
        std::string call(token.text);
        for (size_t open = index + 1; open < end; open = text_->partner[open] + 1)
          call += "(" + rewrite_list({open + 1, text_->partner[open]}, replacement) + ")";
        add(call);
      }
      index = end - 1;
      continue;
    }
    bool bracket = (token.is("(") || token.is("[")) && text_->partner[index] != std::string::npos;
    if (bracket) {
      size_t close = text_->partner[index];
      std::optional<std::string> instead;
      if (token.is("(")) instead = replacement({index, close + 1});
      add(instead ? *instead
                  : std::string(token.text) + rewrite_list({index + 1, close}, replacement) +
                        std::string(tokens()[close].text));
      index = close;
      continue;
    }
    add(std::string(token.text));
  }
  return out;
}

std::string ResolvedQuery::reading(TokenRange range) const {
  std::string out;
  for (size_t index = range.first; index < range.last; ++index) {
    if (!out.empty()) out += ' ';
    if (const Table* table = table_at(index)) {
      out += table->read;
      index += 3;
    } else {
      out += tokens()[index].text;
    }
  }
  return out;
}

}  // namespace tidemark::models
