#include "models/dictionary_calls.h"

namespace tidemark::models {
namespace {

// 'geo.countries' -> geo.countries
std::string literal(const Token& token) {
  if (token.kind != TokenKind::text || token.text.size() < 2 || token.text.front() != '\'') return "";
  return std::string(token.text.substr(1, token.text.size() - 2));
}

}  // namespace

std::set<std::string> dictionaries_called(const SqlText& text, const std::string& kind,
                                          const Lookups& lookups, Complaints& complaints) {
  std::set<std::string> called;
  std::vector<std::string> known;
  for (const auto& [name, over] : lookups.dictionaries) known.push_back(name);
  for (size_t index = 0; index + 2 < text.tokens.size(); ++index) {
    const Token& token = text.tokens[index];
    std::string function = lower_case(token.name);
    bool table = function == "dictionary";
    if (!text.call(index) || !(table || function.starts_with("dictget") || function.starts_with("dicthas") ||
                               function.starts_with("dictis")))
      continue;
    if (kind == "keyed") {
      complaints.at(
          token.offset,
          fmt::format("{}() in a keyed model: rows that are stored already would keep what was looked "
                      "up before the dictionary changed",
                      token.text),
          "JOIN the table itself, or look up in a `-- kind: view` model on top of this one");
      continue;
    }
    bool says_what_else = function == "dictgetornull" || function.ends_with("ordefault");
    if (function.starts_with("dictget") && !says_what_else) {
      complaints.at(
          token.offset,
          fmt::format("{}() of a key that is not there answers with the type's default, which looks like a "
                      "value",
                      token.text),
          "write dictGetOrNull(...), or dictGetOrDefault(..., default), or JOIN the table");
      continue;
    }
    const Token& first = text.tokens[index + 2];
    std::string name = literal(first);
    if (name.empty() && index + 4 < text.tokens.size() && first.identifier() &&
        text.tokens[index + 3].is("."))
      name = first.name + "." + text.tokens[index + 4].name;
    if (lookups.dictionaries.contains(name))
      called.insert(name);
    else
      complaints.at(first.offset,
                    name.empty()
                        ? std::string("the dictionary must be named here")
                        : fmt::format("unknown dictionary {}{}", name, config::did_you_mean(name, known)),
                    "name one of dictionaries/*.yaml, as in dictGetOrNull('geo.countries', 'name', code)");
  }
  return called;
}

}  // namespace tidemark::models
