// ClickHouse SQL as tokens: what is needed to find table references, aggregate calls and clauses in a model
// without mistaking a comment, a string or a quoted name for one. It is not a parser and does not judge: the
// running ClickHouse is the parser and the type checker (compiler.h); this only finds places in the text that
// the server has already accepted.
//
// Tokens point into the text, which must outlive them. Pure functions.
#pragma once

#include "base/error.h"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace tidemark::clickhouse {

enum class TokenKind {
  word,    // bare identifier or keyword
  quoted,  // `identifier` or "identifier"
  text,    // 'literal' or $tag$literal$tag$
  number,
  mark,  // operator or punctuation, longest match
};

struct Token {
  TokenKind kind;
  std::string_view text;  // as written
  size_t offset;          // in the SQL
  std::string name;       // word, quoted: the identifier without quotes and escapes

  size_t end() const { return offset + text.size(); }
  bool identifier() const { return kind == TokenKind::word || kind == TokenKind::quoted; }
  bool is(std::string_view mark) const { return kind == TokenKind::mark && text == mark; }
  // A bare word, compared without case.
  bool keyword(std::string_view word) const;
};

struct TextPosition {
  int line = 1;
  int column = 1;  // both 1-based
};
TextPosition position_of(std::string_view sql, size_t offset);

// Comments and white space are left out. Errors: refused, for a string, quoted name or comment without an
// end; the message says which and on what line of the text.
Result<std::vector<Token>> tokenize(std::string_view sql);

// For every "(", "[" and "{" the index of its partner, and the other way round; npos elsewhere and where
// there is none.
std::vector<size_t> match_brackets(const std::vector<Token>& tokens);

// The tokens joined by one space, words other than quoted ones as written: equal for texts that differ in
// white space and comments only. What fingerprints are made of.
std::string normalise(const std::vector<Token>& tokens);

}  // namespace tidemark::clickhouse
