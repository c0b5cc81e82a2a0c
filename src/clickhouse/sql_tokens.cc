#include "clickhouse/sql_tokens.h"

#include <cctype>

namespace tidemark::clickhouse {
namespace {

bool word_start(unsigned char c) {
  return std::isalpha(c) || c == '_' || c >= 0x80;
}
bool word_part(unsigned char c) {
  return word_start(c) || std::isdigit(c) || c == '$';
}

class Scanner {
 public:
  explicit Scanner(std::string_view sql) : sql_(sql) {}

  Result<std::vector<Token>> run() {
    for (;;) {
      TRY_VOID(skip_blank());
      if (at_ >= sql_.size()) return std::move(tokens_);
      TRY_VOID(next());
    }
  }

 private:
  char peek(size_t ahead = 0) const { return at_ + ahead < sql_.size() ? sql_[at_ + ahead] : '\0'; }
  bool starts(std::string_view text) const { return sql_.substr(at_).starts_with(text); }

  Status unfinished(std::string_view what, size_t offset) const {
    return fail(ErrorKind::refused,
                fmt::format("{} that starts on line {} has no end", what, position_of(sql_, offset).line));
  }

  Status skip_blank() {
    while (at_ < sql_.size()) {
      if (std::isspace(static_cast<unsigned char>(sql_[at_]))) {
        ++at_;
      } else if (starts("--") || starts("#!") || starts("# ")) {
        size_t end = sql_.find('\n', at_);
        at_ = end == std::string_view::npos ? sql_.size() : end;
      } else if (starts("/*")) {
        // ClickHouse does not nest comments.
        size_t end = sql_.find("*/", at_ + 2);
        if (end == std::string_view::npos) return unfinished("a comment", at_);
        at_ = end + 2;
      } else {
        break;
      }
    }
    return {};
  }

  void add(TokenKind kind, size_t begin, std::string name = {}) {
    tokens_.push_back({kind, sql_.substr(begin, at_ - begin), begin, std::move(name)});
  }

  // A quoted run; `quote` doubled or after a backslash stands for itself. Returns the content.
  Result<std::string> quoted(char quote, const char* what) {
    size_t begin = at_++;
    std::string content;
    while (at_ < sql_.size()) {
      char c = sql_[at_++];
      if (c == '\\' && at_ < sql_.size()) {
        content += sql_[at_++];
      } else if (c == quote) {
        if (peek() != quote) return content;
        content += quote;
        ++at_;
      } else {
        content += c;
      }
    }
    return tl::unexpected(unfinished(what, begin).error());
  }

  // $tag$ ... $tag$, also $$ ... $$
  bool heredoc() {
    size_t end = at_ + 1;
    while (end < sql_.size() && word_part(static_cast<unsigned char>(sql_[end])) && sql_[end] != '$') ++end;
    if (end >= sql_.size() || sql_[end] != '$') return false;
    std::string_view tag = sql_.substr(at_, end + 1 - at_);
    size_t close = sql_.find(tag, end + 1);
    if (close == std::string_view::npos) return false;
    size_t begin = at_;
    at_ = close + tag.size();
    add(TokenKind::text, begin);
    return true;
  }

  void number() {
    if (peek() == '0' && (peek(1) == 'x' || peek(1) == 'b')) {
      at_ += 2;
      while (std::isxdigit(static_cast<unsigned char>(peek()))) ++at_;
      return;
    }
    auto digits = [&] {
      while (std::isdigit(static_cast<unsigned char>(peek())) || peek() == '_') ++at_;
    };
    digits();
    if (peek() == '.') ++at_, digits();
    if (peek() == 'e' || peek() == 'E') {
      size_t sign = peek(1) == '+' || peek(1) == '-' ? 2 : 1;
      if (std::isdigit(static_cast<unsigned char>(peek(sign)))) at_ += sign, digits();
    }
  }

  Status next() {
    size_t begin = at_;
    auto c = static_cast<unsigned char>(sql_[at_]);
    if (c == '\'') {
      TRY(quoted('\'', "a string"));
      add(TokenKind::text, begin);
    } else if (c == '`' || c == '"') {
      std::string name = TRY(quoted(static_cast<char>(c), "a quoted name"));
      add(TokenKind::quoted, begin, std::move(name));
    } else if (c == '$' && heredoc()) {
    } else if (std::isdigit(c) ||
               (c == '.' && std::isdigit(static_cast<unsigned char>(peek(1))) && !after_name())) {
      number();
      add(TokenKind::number, begin);
    } else if (word_start(c)) {
      while (word_part(static_cast<unsigned char>(peek()))) ++at_;
      add(TokenKind::word, begin, std::string(sql_.substr(begin, at_ - begin)));
    } else {
      static constexpr std::string_view marks[] = {"<=>", "::", "||", "<=", ">=", "<>", "!=", "==", "->"};
      size_t length = 1;
      for (auto mark : marks)
        if (starts(mark)) {
          length = mark.size();
          break;
        }
      at_ += length;
      add(TokenKind::mark, begin);
    }
    return {};
  }

  // tuple.1 is an access, not the number .1
  bool after_name() const {
    if (tokens_.empty()) return false;
    const Token& last = tokens_.back();
    return last.end() == at_ && (last.identifier() || last.is(")") || last.is("]"));
  }

  std::string_view sql_;
  size_t at_ = 0;
  std::vector<Token> tokens_;
};

}  // namespace

bool Token::keyword(std::string_view word) const {
  return kind == TokenKind::word && text.size() == word.size() &&
         std::equal(text.begin(), text.end(), word.begin(),
                    [](unsigned char a, unsigned char b) { return std::toupper(a) == std::toupper(b); });
}

TextPosition position_of(std::string_view sql, size_t offset) {
  TextPosition position;
  for (char c : sql.substr(0, offset)) {
    if (c == '\n') {
      ++position.line;
      position.column = 1;
    } else {
      ++position.column;
    }
  }
  return position;
}

Result<std::vector<Token>> tokenize(std::string_view sql) {
  return Scanner(sql).run();
}

std::vector<size_t> match_brackets(const std::vector<Token>& tokens) {
  std::vector<size_t> partner(tokens.size(), std::string::npos);
  std::vector<size_t> open;
  for (size_t index = 0; index < tokens.size(); ++index) {
    const Token& token = tokens[index];
    if (token.is("(") || token.is("[") || token.is("{")) {
      open.push_back(index);
    } else if (token.is(")") || token.is("]") || token.is("}")) {
      if (open.empty()) continue;
      partner[open.back()] = index;
      partner[index] = open.back();
      open.pop_back();
    }
  }
  return partner;
}

std::string normalise(const std::vector<Token>& tokens) {
  std::string text;
  for (const auto& token : tokens) {
    if (!text.empty()) text += ' ';
    text += token.text;
  }
  return text;
}

}  // namespace tidemark::clickhouse
