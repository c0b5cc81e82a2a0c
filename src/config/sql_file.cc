#include "config/sql_file.h"

#include <cctype>
#include <fmt/format.h>

namespace tidemark::config {
namespace {

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\v';
}
bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

// What a scan of SQL meets besides plain characters.
enum class Piece { plain, space, comment, quoted, unterminated };

struct Step {
  Piece piece;
  size_t end;
};

// The piece of SQL that begins at `at`: ClickHouse's lexical rules for comments (--, #!, # , /* */), strings,
// quoted names and $heredocs$.
Step step(std::string_view sql, size_t at) {
  char c = sql[at];
  auto follows = [&](std::string_view what) { return sql.substr(at).starts_with(what); };
  if (is_space(c)) return {Piece::space, at + 1};
  if (follows("--") || follows("#!") || follows("# ")) {
    size_t end = sql.find('\n', at);
    return {Piece::comment, end == std::string_view::npos ? sql.size() : end};
  }
  if (follows("/*")) {
    size_t end = sql.find("*/", at + 2);
    if (end == std::string_view::npos) return {Piece::unterminated, sql.size()};
    return {Piece::comment, end + 2};
  }
  if (c == '\'' || c == '"' || c == '`') {
    for (size_t i = at + 1; i < sql.size(); ++i) {
      bool doubled = sql[i] == c && i + 1 < sql.size() && sql[i + 1] == c;
      if (sql[i] == '\\' || doubled)
        ++i;
      else if (sql[i] == c)
        return {Piece::quoted, i + 1};
    }
    return {Piece::unterminated, sql.size()};
  }
  if (c == '$') {
    size_t tag_end = at + 1;
    while (tag_end < sql.size() && is_word(sql[tag_end])) ++tag_end;
    if (tag_end < sql.size() && sql[tag_end] == '$') {
      std::string_view tag = sql.substr(at, tag_end + 1 - at);
      size_t close = sql.find(tag, tag_end + 1);
      if (close != std::string_view::npos) return {Piece::quoted, close + tag.size()};
    }
  }
  return {Piece::plain, at + 1};
}

class BodyReader {
 public:
  BodyReader(Report& report, const std::filesystem::path& file, SqlFile& into)
      : report_(report), file_(file), into_(into) {}

  void read(std::string_view sql, int first_line) {
    sql_ = sql;
    first_line_ = first_line;
    size_t begin = first_token();
    if (begin == sql_.size()) {
      report_.error({file_, first_line_}, "the file holds no SQL", "Write one SELECT below the header.");
      return;
    }
    if (unterminated_) return;
    check_first_word(begin);
    size_t end = sql_.size();
    for (size_t at = begin; at < sql_.size();) {
      Step next = checked_step(at);
      if (unterminated_) return;
      if (next.piece == Piece::plain && sql_[at] == ';') {
        end = at;
        check_nothing_after(at + 1);
        break;
      }
      if (next.piece == Piece::plain && sql_[at] == '{') next.end = std::max(next.end, placeholder(at));
      at = next.end;
    }
    std::string_view body = sql_.substr(0, end);
    while (!body.empty() && is_space(body.back())) body.remove_suffix(1);
    into_.sql = body;
  }

 private:
  Step checked_step(size_t at) {
    Step next = step(sql_, at);
    if (next.piece == Piece::unterminated && !unterminated_) {
      unterminated_ = true;
      report_.error(place(at), sql_[at] == '/' ? "a comment that does not end" : "a quote that does not end",
                    sql_[at] == '/' ? "Close it with */." : fmt::format("Close it with {}.", sql_[at]));
    }
    return next;
  }

  size_t first_token() {
    size_t at = 0;
    while (at < sql_.size()) {
      Step next = checked_step(at);
      if (next.piece != Piece::space && next.piece != Piece::comment) return at;
      at = next.end;
    }
    return at;
  }

  void check_first_word(size_t begin) {
    size_t end = begin;
    while (end < sql_.size() && is_word(sql_[end])) ++end;
    std::string word(sql_.substr(begin, end - begin));
    for (char& c : word) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    if (word == "SELECT" || word == "WITH" || sql_[begin] == '(') return;
    report_.error(place(begin), "the SQL must be one SELECT",
                  "Begin with SELECT or WITH; creating and filling the table is Tidemark's work.");
  }

  void check_nothing_after(size_t at) {
    while (at < sql_.size()) {
      Step next = checked_step(at);
      bool idle = next.piece == Piece::space || next.piece == Piece::comment ||
                  (next.piece == Piece::plain && sql_[at] == ';');
      if (!idle) {
        if (!unterminated_)
          report_.error(place(at), "a second statement", "One SELECT a file: move it to a file of its own.");
        return;
      }
      at = next.end;
    }
  }

  // {name:Type}; anything else in braces (a map literal) is left to ClickHouse. Returns the end of it, or 0.
  size_t placeholder(size_t at) {
    size_t name_begin = at + 1;
    while (name_begin < sql_.size() && is_space(sql_[name_begin])) ++name_begin;
    size_t name_end = name_begin;
    while (name_end < sql_.size() && is_word(sql_[name_end])) ++name_end;
    size_t colon = name_end;
    while (colon < sql_.size() && is_space(sql_[colon])) ++colon;
    size_t close = sql_.find('}', colon);
    if (name_end == name_begin || colon >= sql_.size() || sql_[colon] != ':' ||
        close == std::string_view::npos)
      return 0;
    std::string_view type = trim(sql_.substr(colon + 1, close - colon - 1));
    if (type.empty()) return 0;
    into_.placeholders.push_back(
        {std::string(sql_.substr(name_begin, name_end - name_begin)), std::string(type), place(at)});
    return close + 1;
  }

  Location place(size_t at) const {
    Location where{file_, first_line_, 1};
    for (size_t i = 0; i < at; ++i) {
      ++where.column;
      if (sql_[i] == '\n') {
        ++where.line;
        where.column = 1;
      }
    }
    return where;
  }

  Report& report_;
  const std::filesystem::path& file_;
  SqlFile& into_;
  std::string_view sql_;
  int first_line_ = 1;
  bool unterminated_ = false;
};

// One `--` line; `line` starts with the dashes, `indent` is the number of bytes before them.
void read_header_line(SqlFile& into, const std::filesystem::path& file, int number, size_t indent,
                      std::string_view line) {
  std::string_view content = line;
  while (content.starts_with('-')) content.remove_prefix(1);
  while (!content.empty() && is_space(content.front())) content.remove_prefix(1);
  auto place = [&](std::string_view part) {
    return Location{file, number,
                    static_cast<int>(indent + static_cast<size_t>(part.data() - line.data())) + 1};
  };
  if (content.starts_with("param ") || content == "param") {
    std::string_view rest = trim(content.substr(5));
    into.parameters.push_back({std::string(rest), rest.empty() ? place(content) : place(rest)});
    return;
  }
  size_t end = 0;
  while (end < content.size() &&
         (std::islower(static_cast<unsigned char>(content[end])) != 0 || content[end] == '_'))
    ++end;
  if (end == 0 || end >= content.size() || content[end] != ':') return;
  if (end + 1 < content.size() && !is_space(content[end + 1])) return;
  std::string_view value = trim(content.substr(end + 1));
  into.header.push_back({std::string(content.substr(0, end)), std::string(value), place(content),
                         value.empty() ? place(content) : place(value)});
}

}  // namespace

SqlFile parse_sql_file(Report& report, const std::filesystem::path& file, const std::string& text) {
  SqlFile parsed;
  std::string_view rest = text;
  int number = 1;
  while (!rest.empty()) {
    size_t end = rest.find('\n');
    std::string_view line = rest.substr(0, end);
    std::string_view trimmed = trim(line);
    if (!trimmed.empty() && !trimmed.starts_with("--")) break;
    if (!trimmed.empty())
      read_header_line(parsed, file, number, static_cast<size_t>(trimmed.data() - line.data()), trimmed);
    rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
    ++number;
  }
  parsed.sql_first_line = number;
  BodyReader(report, file, parsed).read(rest, number);
  return parsed;
}

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> parts;
  auto take = [&](std::string_view part) {
    part = trim(part);
    if (!part.empty()) parts.emplace_back(part);
  };
  int depth = 0;
  size_t begin = 0;
  for (size_t at = 0; at < text.size();) {
    char c = text[at];
    if (c == '(' || c == '[' || c == '{') ++depth;
    if (c == ')' || c == ']' || c == '}') --depth;
    if (c == ',' && depth <= 0) {
      take(text.substr(begin, at - begin));
      begin = at + 1;
    }
    bool quote = c == '\'' || c == '"' || c == '`';
    at = quote ? step(text, at).end : at + 1;
  }
  take(text.substr(begin));
  return parts;
}

bool has_format_clause(std::string_view sql) {
  std::vector<std::string> words;  // and single punctuation marks; anything quoted is "'"
  for (size_t at = 0; at < sql.size();) {
    Step next = step(sql, at);
    if (next.piece == Piece::plain && is_word(sql[at])) {
      size_t end = at;
      while (end < sql.size() && is_word(sql[end])) ++end;
      std::string word(sql.substr(at, end - at));
      for (char& c : word) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
      words.push_back(std::move(word));
      at = end;
      continue;
    }
    if (next.piece == Piece::plain && sql[at] != ';') words.emplace_back(1, sql[at]);
    if (next.piece == Piece::quoted) words.emplace_back("'");
    at = next.end;
  }
  // ... FORMAT <name> ends the statement, or SETTINGS follows; a column called format is followed by
  // something else
  for (size_t i = 1; i + 1 < words.size(); ++i)
    if (words[i] == "FORMAT" && is_word(words[i + 1][0]) &&
        (i + 2 == words.size() || words[i + 2] == "SETTINGS") && words[i - 1] != "," &&
        words[i - 1] != "SELECT" && words[i - 1] != "." && words[i + 1] != "FROM")
      return true;
  return false;
}

bool is_identifier(std::string_view text) {
  if (text.empty() || (text[0] >= '0' && text[0] <= '9')) return false;
  return std::all_of(text.begin(), text.end(), is_word);
}

}  // namespace tidemark::config
