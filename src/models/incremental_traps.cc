#include "models/incremental_traps.h"

#include "models/incremental_feed.h"
#include "models/references.h"

namespace tidemark::models {
namespace {

class TrapFinder {
 public:
  TrapFinder(const ModelSource& source, const SqlText& text) : source_(source), text_(text) {}

  std::optional<IncrementalForm> run() {
    TokenRange all = without_brackets(text_, {0, text_.tokens.size()});
    auto offsets = feeding_references(text_, all);
    form_.feeding.insert(offsets.begin(), offsets.end());
    find_references_in(all);
    query(all, true);
    refuse_changing_functions(source_, text_, "incremental", true);
    if (source_.complaints.any()) return std::nullopt;
    return form_;
  }

 private:
  void refuse(size_t token, std::string message, std::string remedy) {
    source_.complaints.at(text_.tokens[std::min(token, text_.tokens.size() - 1)].offset, std::move(message),
                          std::move(remedy));
  }

  void find_references_in(TokenRange all) {
    for (auto& reference : find_references(text_.tokens)) {
      if (reference.column) continue;
      if (reference.in_set)
        refuse(reference.token,
               fmt::format("a change of {} would not be seen by rows that are already added up",
                           reference.name()),
               "join it to the right of the table that feeds the model, or use `-- kind: keyed`");
      references_[reference.token] = reference;
    }
    for (size_t index = all.first; index < all.last; ++index)
      if (text_.tokens[index].keyword("FROM")) {
        form_.from = text_.tokens[index].offset;
        break;
      }
  }

  // Whether a log feeds the model, whose rows are never taken back.
  bool over_log() const {
    for (const auto& [token, reference] : references_) {
      if (!form_.feeding.contains(reference.offset)) continue;
      auto table = source_.tables.find(reference.name());
      // What a model hides is looked at when the text is resolved.
      if (table != source_.tables.end() && !table->second.log) return false;
    }
    return true;
  }

  // `feeding`: this SELECT's rows are change rows; its traps are ours.
  void query(TokenRange range, bool top) {
    std::optional<size_t> set_operation;
    auto branches = union_branches(text_, range, set_operation);
    if (branches.size() == 1) return select(range, top);
    for (size_t index = 0; index + 1 < branches.size(); ++index) {
      size_t keyword = branches[index].last;
      if (!text_.tokens[keyword].keyword("UNION") || !text_.tokens[keyword + 1].keyword("ALL"))
        return refuse(keyword,
                      fmt::format("{} looks at the rows of both sides, so it cannot be kept by adding change "
                                  "rows up",
                                  text_.tokens[keyword].text),
                      "use UNION ALL, or `-- kind: view`");
    }
    if (top) form_.united = true;
    for (TokenRange branch : branches) {
      TokenRange inner = without_brackets(text_, branch);
      SelectShape shape = shape_of(text_, inner);
      if (top && (shape.grouped || has_aggregate(shape)))
        return refuse(
            shape.grouped ? shape.group_by.first - 2 : shape.items.front().expression.first,
            "a UNION ALL of aggregates keeps the groups of each side apart",
            "put the UNION ALL into FROM (...) and add up outside; or make one model of each side and "
            "a `-- kind: view` model that combines them");
      query(inner, false);
    }
  }

  bool has_aggregate(const SelectShape& shape) const {
    for (const auto& item : shape.items)
      for (size_t index = item.expression.first; index < item.expression.last; ++index)
        if (text_.call(index) && source_.functions.aggregate(text_.tokens[index].name)) return true;
    return false;
  }

  void select(TokenRange range, bool top) {
    SelectShape shape = shape_of(text_, range);
    extras(shape);
    if (!shape.prewhere.empty())
      refuse(shape.prewhere.first - 1, "PREWHERE does not apply to change rows", "write WHERE");
    if (shape.star)
      refuse(*shape.star, "`*` would change the model whenever the source gets a column", "name the columns");
    for (const auto& item : shape.items)
      if (!item.named && !shape.star && (top || form_.united))
        refuse(item.expression.first,
               fmt::format("the expression `{}` has no name", text_.text(item.expression)), "add AS <name>");
    bool joins = from(shape);
    std::vector<TokenRange> parts{shape.where, shape.having, shape.group_by};
    for (const auto& item : shape.items) parts.push_back(item.expression);
    for (TokenRange part : parts) calls(part, shape, joins);
  }

  void extras(const SelectShape& shape) {
    for (const auto& extra : shape.extras) {
      if (extra.what == "DISTINCT")
        refuse(extra.token,
               "DISTINCT cannot be kept by adding change rows up: a delete must not hide a duplicate",
               "use GROUP BY, or `-- kind: keyed` or `-- kind: view`");
      else if (extra.what == "ORDER BY" || extra.what == "LIMIT")
        refuse(extra.token,
               fmt::format("{} in an incremental model would apply to each change alone", extra.what),
               "put it into the query that reads the model, or use `-- kind: view`");
      else if (extra.what == "WINDOW" || extra.what == "QUALIFY")
        refuse(extra.token,
               fmt::format("{} in an incremental model would see only the rows of the current change",
                           extra.what),
               "use `-- kind: view`");
      else
        refuse(extra.token, fmt::format("{} is not supported in an incremental model", extra.what),
               "leave it out, or use `-- kind: view`");
    }
  }

  // FROM <what feeds the model> [JOIN ...]. Returns whether something is joined.
  bool from(const SelectShape& shape) {
    if (shape.from.empty()) {
      refuse(shape.items.empty() ? 0 : shape.items.front().expression.first,
             "an incremental model reads a mirrored table: FROM bronze.<table>",
             "add it, or use `-- kind: view`");
      return false;
    }
    size_t first = shape.from.first, behind = first + 1;
    if (text_.tokens[first].is("(") && text_.partner[first] != std::string::npos) {
      behind = text_.partner[first] + 1;
      query(without_brackets(text_, {first, behind}), false);
    } else if (auto reference = references_.find(first); reference != references_.end()) {
      behind = first + 3;
    }
    if (behind < shape.from.last && text_.tokens[behind].keyword("AS")) ++behind;
    bool joins = false;
    for (size_t index = behind; index < shape.from.last; ++index) {
      const Token& token = text_.tokens[index];
      joins |= token.is(",") || token.keyword("JOIN");
      if (token.is("(") && text_.partner[index] != std::string::npos) {
        index = text_.partner[index];
        continue;
      }
      if (token.keyword("RIGHT") || token.keyword("FULL"))
        refuse(index,
               fmt::format(
                   "{} JOIN has rows that no row of the left-most table brings, and only that table feeds "
                   "an incremental model",
                   token.text),
               "write LEFT JOIN from the table whose changes are to be followed, or use `-- kind: view`");
      if (token.keyword("PASTE"))
        refuse(index, "PASTE JOIN joins by position, and change rows have none", "join ON columns");
      if (token.keyword("ARRAY"))
        refuse(index, "ARRAY JOIN makes several rows of one, which have no key to take them back by",
               "use `-- kind: view`");
      if (token.keyword("ANY") && index + 1 < shape.from.last && text_.tokens[index + 1].keyword("INNER"))
        refuse(index, "ANY INNER JOIN keeps one row of the left side for each key, whichever comes first",
               "write INNER JOIN or LEFT ANY JOIN");
    }
    return joins;
  }

  void calls(TokenRange part, const SelectShape& shape, bool joins) {
    const auto& tokens = text_.tokens;
    for (size_t index = part.first; index < part.last; ++index) {
      if (tokens[index].is("(") && index + 1 < part.last &&
          (tokens[index + 1].keyword("SELECT") || tokens[index + 1].keyword("WITH"))) {
        refuse(index + 1, "a subquery in an incremental model would see only the rows of the current change",
               "join it in FROM, to the right of the table that feeds the model, or use `-- kind: keyed` or "
               "`-- kind: view`");
        index = text_.partner[index] == std::string::npos ? index : text_.partner[index];
        continue;
      }
      if (!text_.call(index)) continue;
      std::string function = lower_case(tokens[index].name);
      size_t close = text_.partner[index + 1];
      if (close == std::string::npos) continue;
      if (function == "arrayjoin")
        refuse(index, "arrayJoin() makes several rows of one, which have no key to take them back by",
               "use `-- kind: view`");
      if (close + 1 < tokens.size() && tokens[close + 1].keyword("OVER")) {
        refuse(index,
               "a window function in an incremental model would see only the rows of the current change",
               "use `-- kind: view`");
      } else if (source_.functions.aggregate(function)) {
        aggregate(index, close, function, shape, joins);
      }
    }
  }

  void aggregate(size_t index, size_t close, const std::string& function, const SelectShape& shape,
                 bool joins) {
    // Over logs, and of joined columns, more is possible: incremental_store.h decides when names are
    // resolved.
    if (over_log() || joins) return;
    std::string groups =
        shape.group_by.empty() ? "<the GROUP BY columns>" : std::string(text_.text(shape.group_by));
    std::string remedy = fmt::format(
        "use `-- kind: keyed` with `-- key: {}`, or `-- kind: view`; or declare the table `append_only: "
        "true` "
        "when its rows never change",
        groups);
    if (!additive_aggregate(function))
      refuse(index,
             fmt::format("{}() cannot be kept exact by adding change rows up: when a row is updated or "
                         "deleted, its part of the result cannot be taken back",
                         text_.tokens[index].text),
             remedy);
    else if (index + 2 < text_.tokens.size() && text_.tokens[index + 2].keyword("DISTINCT"))
      refuse(index, fmt::format("{}(DISTINCT ...) does not add up", text_.tokens[index].text), remedy);
    else if (close + 1 < text_.tokens.size() && text_.tokens[close + 1].is("("))
      refuse(index, fmt::format("{} with parameters does not add up", text_.tokens[index].text), remedy);
  }

  const ModelSource& source_;
  const SqlText& text_;
  IncrementalForm form_;
  std::map<size_t, TableReference> references_;  // by token
};

}  // namespace

bool additive_aggregate(std::string_view function) {
  std::string lower = lower_case(function);
  static constexpr std::string_view additive[] = {"count", "countif", "sum", "sumif", "avg", "avgif"};
  return std::find(std::begin(additive), std::end(additive), lower) != std::end(additive);
}

void refuse_changing_functions(const ModelSource& source, const SqlText& text, std::string_view kind,
                               bool dictionaries) {
  for (size_t index = 0; index < text.tokens.size(); ++index) {
    if (!text.call(index)) continue;
    const Token& token = text.tokens[index];
    if (dictionaries && lower_case(token.name).starts_with("dict")) continue;
    // The server marks it because it makes rows, not because it changes.
    if (lower_case(token.name) == "arrayjoin") continue;
    // COUNT and the like are known to repeat themselves; only what the server marks is refused.
    if (source.functions.changes_by_itself(token.name) && !source.functions.aggregate(token.name))
      source.complaints.at(
          token.offset,
          fmt::format(
              "{}() gives another answer each time, so a stored result would go stale or be impossible to "
              "take back",
              token.text),
          fmt::format("leave it out of this {} model and apply it in a `-- kind: view` model on top", kind));
  }
}

std::optional<IncrementalForm> check_incremental(const ModelSource& source, const SqlText& text) {
  return TrapFinder(source, text).run();
}

}  // namespace tidemark::models
