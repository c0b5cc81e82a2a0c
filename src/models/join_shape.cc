#include "models/join_shape.h"

#include <algorithm>

namespace tidemark::models {
namespace {

bool one_of(const Token& token, std::initializer_list<std::string_view> words) {
  return std::any_of(words.begin(), words.end(), [&](std::string_view word) { return token.keyword(word); });
}

class Reader {
 public:
  Reader(const SqlText& text, TokenRange from) : text_(text), from_(from), at_(from.first) {}

  JoinShape read() {
    if (from_.empty() || !source({})) return std::move(shape_);
    while (at_ < from_.last) {
      if (token().is(",") || token().keyword("CROSS")) {
        shape_.cross = at_;
        break;
      }
      JoinedSource next{.kind = JoinKind::inner, .words = {at_, at_}};
      if (!words(next) || !source(std::move(next))) break;
      condition(shape_.sources.back());
    }
    return std::move(shape_);
  }

 private:
  const Token& token(size_t ahead = 0) const { return text_.tokens[at_ + ahead]; }
  bool inside(size_t ahead = 0) const { return at_ + ahead < from_.last; }

  // LEFT and ANY are also functions.
  bool join_word() const {
    return inside() && !text_.call(at_) &&
           one_of(token(), {"GLOBAL", "LOCAL", "ANY", "ALL", "ASOF", "SEMI", "ANTI", "INNER", "LEFT", "RIGHT",
                            "FULL", "OUTER", "CROSS", "PASTE", "NATURAL", "ARRAY", "JOIN"});
  }

  bool words(JoinedSource& next) {
    for (; inside(); ++at_) {
      if (token().keyword("JOIN")) {
        ++at_;
        next.words.last = at_;
        return true;
      }
      if (token().keyword("ARRAY")) {
        shape_.array_join = at_;
        return false;
      }
      if (token().keyword("CROSS")) {
        shape_.cross = at_;
        return false;
      }
      if (!join_word()) break;
      if (token().keyword("LEFT")) next.kind = JoinKind::left;
      if (one_of(token(), {"RIGHT", "FULL", "PASTE", "NATURAL"})) next.kind = JoinKind::other;
      for (std::string_view strictness : {"ANY", "ASOF", "SEMI", "ANTI"})
        if (token().keyword(strictness)) next.strictness = strictness;
    }
    shape_.unknown = std::min(at_, from_.last - 1);
    return false;
  }

  bool source(JoinedSource next) {
    if (!inside()) {
      shape_.unknown = from_.last - 1;
      return false;
    }
    size_t start = at_;
    if (token().is("(") && inside(1) && (token(1).keyword("SELECT") || token(1).is("("))) {
      next.subquery = true;
      at_ = text_.partner[at_] + 1;
    } else if (token().identifier() && inside(2) && token(1).is(".") && token(2).identifier()) {
      next.alias = token(2).name;
      at_ += 3;
    } else {
      shape_.unknown = at_;
      return false;
    }
    next.place = {start, at_};
    if (inside(1) && token().keyword("AS")) {
      next.alias = token(1).name;
      at_ += 2;
    } else if (inside() && token().identifier() && !join_word() && !one_of(token(), {"ON", "USING"})) {
      next.alias = token().name;
      ++at_;
    }
    shape_.sources.push_back(std::move(next));
    return true;
  }

  void condition(JoinedSource& source) {
    if (!inside()) return;
    if (token().keyword("USING")) {
      ++at_;
      bool brackets = inside() && token().is("(");
      size_t last = brackets ? text_.partner[at_] + 1 : from_.last;
      for (; at_ < last; ++at_) {
        if (token().is("(") || token().is(",") || token().is(")")) continue;
        if (!token().identifier() || (!brackets && join_word())) break;
        source.using_columns.push_back(token().name);
      }
      return;
    }
    if (!token().keyword("ON")) return;
    size_t first = ++at_;
    while (inside() && !join_word() && !token().is(",")) {
      size_t partner = text_.partner[at_];
      at_ = partner != std::string::npos && partner > at_ ? partner + 1 : at_ + 1;
    }
    conjuncts({first, at_}, source.on);
  }

  void conjuncts(TokenRange range, std::vector<TokenRange>& found) {
    range = without_brackets(text_, range);
    std::vector<TokenRange> parts;
    size_t begin = range.first;
    for (size_t index = range.first; index < range.last; ++index) {
      // a BETWEEN b AND c, and OR binds weaker than AND: left whole.
      if (one_of(text_.tokens[index], {"BETWEEN", "OR", "CASE"}) ||
          (index == range.first && text_.tokens[index].keyword("AND"))) {
        found.push_back(range);
        return;
      }
      if (text_.tokens[index].keyword("AND")) {
        parts.push_back({begin, index});
        begin = index + 1;
      }
      size_t partner = text_.partner[index];
      if (partner != std::string::npos && partner > index) index = partner;
    }
    parts.push_back({begin, range.last});
    if (parts.size() == 1) {
      found.push_back(range);
      return;
    }
    for (TokenRange part : parts) conjuncts(part, found);
  }

  const SqlText& text_;
  TokenRange from_;
  size_t at_;
  JoinShape shape_;
};

}  // namespace

JoinShape joins_of(const SqlText& text, TokenRange from) {
  return Reader(text, from).read();
}

}  // namespace tidemark::models
