#include "models/incremental_feed.h"

#include "models/references.h"

namespace tidemark::models {
namespace {

using clickhouse::quote_identifier;

class FactFinder {
 public:
  FactFinder(const ModelSource& source, const ResolvedQuery& query, size_t place)
      : source_(source), query_(query), text_(query.text()), place_(place) {}

  std::optional<Fact> find(TokenRange from) {
    if (from.empty()) return refuse("an incremental model reads a mirrored table", "add FROM bronze.<table>");
    bool bracket = query_.tokens()[from.first].is("(");
    if (!bracket && query_.table_at(from.first) == nullptr)
      return refuse("an incremental model reads a mirrored table", "name one: FROM bronze.<table>");
    size_t end = bracket ? text_.partner[from.first] + 1 : from.first + 4;
    Fact fact;
    if (end + 1 >= text_.tokens.size() || !text_.tokens[end].keyword("AS"))
      return refuse("the left-most table of FROM is not one that change rows can stand for",
                    "name a mirrored table: FROM bronze.<table>");
    fact.alias = text_.tokens[end + 1].name;
    fact.joins = {end + 2, from.last};
    if (!bracket) {
      auto feed = leaf(from.first);
      if (!feed) return std::nullopt;
      fact.feeds.push_back(std::move(*feed));
      return fact;
    }
    auto feeds = subquery({from.first, end});
    if (!feeds) return std::nullopt;
    fact.feeds = std::move(*feeds);
    return fact;
  }

 private:
  std::nullopt_t refuse(std::string message, std::string remedy) {
    source_.complaints.at(place_, std::move(message), std::move(remedy));
    return std::nullopt;
  }

  std::optional<Feed> leaf(size_t token) {
    const ResolvedQuery::Table* table = query_.table_at(token);
    if (table->mirrored == nullptr)
      return refuse(fmt::format("{} brings no change rows", table->read),
                    "begin FROM with a mirrored table (bronze.<table>), or use `-- kind: view`");
    Feed feed{.table = table->mirrored, .from = std::string(rows_placeholder)};
    for (const auto& column : table->mirrored->key) feed.keys[column] = column;
    return feed;
  }

  std::optional<std::vector<Feed>> subquery(TokenRange range) {
    TokenRange inner = without_brackets(text_, range);
    std::optional<size_t> set_operation;
    auto branches = union_branches(text_, inner, set_operation);
    for (size_t index = 0; index + 1 < branches.size(); ++index)
      if (!text_.tokens[branches[index].last].keyword("UNION") ||
          !text_.tokens[branches[index].last + 1].keyword("ALL"))
        return refuse(
            fmt::format("{} looks at rows of both sides, so it cannot be kept by adding change rows up",
                        text_.tokens[branches[index].last].text),
            "use UNION ALL, or `-- kind: view`");
    // Branches are filled one by one, so each must give the types that the union has.
    std::vector<clickhouse::ColumnDescription> types;
    if (branches.size() > 1) {
      auto described =
          clickhouse::describe_select(source_.client, "SELECT * FROM (" + text_.normalised(inner) + ")");
      if (!described) {
        source_.complaints.refused(described.error(), "the union that feeds the model", 1'000'000);
        return std::nullopt;
      }
      types = std::move(*described);
    }
    std::vector<Feed> feeds;
    std::vector<std::string> names;
    for (TokenRange branch : branches) {
      auto more = projection(without_brackets(text_, branch), names, types);
      if (!more) return std::nullopt;
      feeds.insert(feeds.end(), more->begin(), more->end());
    }
    return feeds;
  }

  // `names`: of the first branch; set by it.
  std::optional<std::vector<Feed>> projection(TokenRange range, std::vector<std::string>& names,
                                              const std::vector<clickhouse::ColumnDescription>& types) {
    std::optional<size_t> set_operation;
    if (union_branches(text_, range, set_operation).size() > 1) return subquery(range);
    SelectShape shape = shape_of(text_, range);
    for (const auto& extra : shape.extras)
      return refuse(fmt::format("the subquery or model that feeds this one has {}, which looks at many rows "
                                "at once, so change rows cannot pass through it",
                                extra.what),
                    "leave it out there, or use `-- kind: keyed` or `-- kind: view`");
    bool aggregated = shape.grouped || !shape.having.empty();
    for (size_t index = range.first; index < range.last; ++index) {
      size_t end = query_.call_end(index);
      if (end != 0 && source_.functions.aggregate(text_.tokens[index].name)) aggregated = true;
      if (end != 0 && text_.tokens[index].keyword("arrayJoin"))
        return refuse("arrayJoin() makes several rows of one, which have no key to take them back by",
                      "use `-- kind: view`");
    }
    if (aggregated)
      return refuse(
          "the subquery or model that feeds this one adds rows up itself, and what it adds up is not "
          "change rows",
          "read bronze.<table> and do it all in one SELECT, or use `-- kind: keyed` or `-- kind: view`");
    auto inner = find(shape.from);
    if (!inner) return std::nullopt;
    if (!inner->joins.empty())
      return refuse(
          "the subquery or model that feeds this one joins: changes of what it joins would not be seen",
          "join in this model itself, to the right of the mirrored table");
    if (names.empty())
      for (const auto& item : shape.items) names.push_back(item.alias);
    std::vector<Feed> feeds;
    for (const Feed& below : inner->feeds) {
      Feed feed{.table = below.table};
      std::vector<std::string> items;
      for (size_t index = 0; index < shape.items.size(); ++index) {
        TokenRange expression = shape.items[index].expression;
        std::string written = text_.normalised(expression);
        if (!types.empty())
          written = "CAST(" + written + ", " + clickhouse::quote_string(types[index].type) + ")";
        items.push_back(written + " AS " + quote_identifier(names[index]));
        if (expression.size() != 3 || !query_.column(expression.first)) continue;
        for (const auto& [key, carrier] : below.keys)
          if (text_.tokens[expression.last - 1].name == carrier) feed.keys.emplace(key, names[index]);
      }
      for (const char* own : {"_sign", "_version"})
        items.push_back(fmt::format("{}.{} AS {}", inner->alias, own, own));
      feed.from = "(SELECT " + joined(items) + " FROM " + below.from + " AS " + inner->alias +
                  (shape.where.empty() ? "" : " WHERE " + text_.normalised(shape.where)) + ")";
      feeds.push_back(std::move(feed));
    }
    return feeds;
  }

  const ModelSource& source_;
  const ResolvedQuery& query_;
  const SqlText& text_;
  size_t place_;
};

}  // namespace

bool Fact::log() const {
  return std::all_of(feeds.begin(), feeds.end(), [](const auto& feed) { return feed.table->log; });
}

std::optional<Fact> find_fact(const ModelSource& source, const ResolvedQuery& query, TokenRange from,
                              size_t place) {
  return FactFinder(source, query, place).find(from);
}

std::vector<size_t> feeding_references(const SqlText& text, TokenRange range) {
  std::vector<size_t> found;
  range = without_brackets(text, range);
  if (range.empty()) return found;
  std::optional<size_t> set_operation;
  auto branches = union_branches(text, range, set_operation);
  if (branches.size() > 1) {
    for (TokenRange branch : branches)
      for (size_t offset : feeding_references(text, branch)) found.push_back(offset);
    return found;
  }
  SelectShape shape = shape_of(text, range);
  if (shape.from.empty()) return found;
  const Token& first = text.tokens[shape.from.first];
  if (first.is("(") && text.partner[shape.from.first] != std::string::npos)
    return feeding_references(text, {shape.from.first, text.partner[shape.from.first] + 1});
  return {first.offset};
}

std::set<std::string> feeding_tables(
    std::string_view sql, const std::function<std::optional<std::string>(const std::string&)>& sql_of) {
  std::set<std::string> tables;
  std::set<std::string> seen;
  std::vector<std::string> open{std::string(sql)};
  while (!open.empty()) {
    auto text = SqlText::read(std::move(open.back()));
    open.pop_back();
    if (!text) continue;
    auto offsets = feeding_references(**text, {0, (*text)->tokens.size()});
    for (const auto& reference : find_references((*text)->tokens)) {
      if (reference.column || std::find(offsets.begin(), offsets.end(), reference.offset) == offsets.end())
        continue;
      if (reference.database == "bronze")
        tables.insert(reference.table);
      else if (seen.insert(reference.name()).second)
        if (auto model = sql_of(reference.name())) open.push_back(std::move(*model));
    }
  }
  return tables;
}

}  // namespace tidemark::models
