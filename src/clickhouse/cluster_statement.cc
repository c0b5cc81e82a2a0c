#include "clickhouse/cluster_statement.h"

#include "clickhouse/schema.h"
#include "clickhouse/sql_tokens.h"

#include <algorithm>
#include <fmt/format.h>
#include <map>

namespace tidemark::clickhouse {
namespace {

using Steps = std::vector<ClusterStep>;
using Where = ClusterStep::Where;

constexpr std::string_view suffix = "_shard";
constexpr std::string_view snapshot_prefix = "snapshot_";
// Replicated tables forget tokens by age, too, and after an hour unless they are told otherwise: a cut that a
// crash interrupted is sent again when somebody has started the project, which may take days.
constexpr int window_seconds = 30 * 24 * 3600;

// Tables of these databases are shown to everybody by name, and every one of them is Tidemark's.
bool mirrored(const std::string& database, const std::string& table) {
  return database == "bronze" || (database == "tidemark" && table.starts_with(snapshot_prefix));
}

class Statement {
 public:
  Statement(std::string_view sql, std::vector<Token> tokens, Placement placement, const ClusterLayout& layout,
            const ShardedTables& sharded)
      : sql_(sql),
        tokens_(std::move(tokens)),
        partner_(match_brackets(tokens_)),
        placement_(placement),
        layout_(layout),
        sharded_(sharded) {}

  Result<std::optional<Steps>> steps() {
    if (placement_ == Placement::shards) return Steps{{Where::shards, local()}};
    if (words({"CREATE", "MATERIALIZED", "VIEW"})) return materialized_view();
    if (words({"CREATE", "OR", "REPLACE", "VIEW"}) || words({"CREATE", "VIEW"})) return view();
    if (words({"CREATE", "TABLE"})) return table();
    if (words({"DROP", "TABLE"}) || words({"DROP", "VIEW"})) return drop();
    if (words({"ALTER", "TABLE"}) || words({"TRUNCATE", "TABLE"})) return change();
    if (words({"SYSTEM", "STOP", "MERGES"}) || words({"SYSTEM", "START", "MERGES"})) return change();
    return nullptr_steps();
  }

 private:
  static std::optional<Steps> nullptr_steps() { return std::nullopt; }

  // Does the statement begin so? Then at_ is behind it, and behind IF [NOT] EXISTS.
  bool words(std::initializer_list<std::string_view> list) {
    size_t index = 0;
    for (auto word : list)
      if (index >= tokens_.size() || !tokens_[index++].keyword(word)) return false;
    for (auto word : {"IF", "NOT", "EXISTS"})
      if (index < tokens_.size() && tokens_[index].keyword(word)) ++index;
    at_ = index;
    return named(at_);
  }

  bool named(size_t index) const {
    return index + 2 < tokens_.size() && tokens_[index].identifier() && tokens_[index + 1].is(".") &&
           tokens_[index + 2].identifier();
  }
  const std::string& database() const { return tokens_[at_].name; }
  const std::string& name() const { return tokens_[at_ + 2].name; }
  std::string local_name() const { return quote_table(shard_database(database()), name()); }
  std::string quoted() const { return quote_table(database(), name()); }
  bool is_sharded(size_t index) const {
    return sharded_(tokens_[index].name, tokens_[index + 2].name).has_value();
  }

  // Pieces of the text that are written otherwise, by offset.
  struct Edit {
    size_t length;
    std::string text;
  };
  using Edits = std::map<size_t, Edit>;

  void localize(Edits& edits, size_t from) const {
    for (size_t index = from; index + 2 < tokens_.size(); ++index)
      if (named(index) && (index == 0 || !tokens_[index - 1].is(".")) && is_sharded(index))
        edits[tokens_[index].offset] = {tokens_[index].text.size(),
                                        quote_identifier(shard_database(tokens_[index].name))};
  }
  std::string with(const Edits& edits) const {
    std::string text;
    size_t from = 0;
    for (const auto& [offset, edit] : edits) {
      text += sql_.substr(from, offset - from);
      text += edit.text;
      from = offset + edit.length;
    }
    return text += sql_.substr(from);
  }
  std::string local() const {
    Edits edits;
    localize(edits, 0);
    return with(edits);
  }
  // The table itself need not be there yet.
  void localize_own(Edits& edits) const {
    edits[tokens_[at_].offset] = {tokens_[at_].text.size(), quote_identifier(shard_database(database()))};
    if (layout_.replicated) edits[tokens_[at_ + 2].end()] = {0, on_cluster()};
  }
  std::string on_cluster() const { return " ON CLUSTER " + quote_identifier(layout_.cluster); }
  Where everywhere() const { return layout_.replicated ? Where::once : Where::shards; }
  ClusterStep make_database() const {
    return {everywhere(), "CREATE DATABASE IF NOT EXISTS " + quote_identifier(shard_database(database())) +
                              (layout_.replicated ? on_cluster() : "")};
  }

  std::string show(std::string_view columns, const std::string& key) const {
    return fmt::format("CREATE TABLE IF NOT EXISTS {} {} ENGINE = Distributed({}, {}, {}{})", quoted(),
                       columns, quote_string(layout_.cluster), quote_string(shard_database(database())),
                       quote_string(name()), key);
  }

  // Replicas find each other by the path; {shard} and {replica} are filled in by each server.
  std::string replicated_engine(std::string_view engine, bool arguments) const {
    return fmt::format(
        "Replicated{}({}, '{{replica}}'{}", engine,
        quote_string(fmt::format("/clickhouse/tables/{{shard}}/{}/{}", shard_database(database()), name())),
        arguments ? ", " : ")");
  }

  void replicate(Edits& edits, size_t engine) const {
    const Token& word = tokens_[engine];
    if (!word.name.ends_with("MergeTree")) return;
    bool brackets = engine + 1 < tokens_.size() && tokens_[engine + 1].is("(");
    bool arguments = brackets && !tokens_[engine + 2].is(")");
    size_t end = brackets ? (arguments ? tokens_[engine + 1].end() : tokens_[engine + 2].end()) : word.end();
    edits[word.offset] = {end - word.offset, replicated_engine(word.name, arguments)};
    for (size_t index = engine; index < tokens_.size(); ++index)
      if (tokens_[index].keyword("non_replicated_deduplication_window"))
        edits[tokens_[index].offset] = {
            tokens_[index].text.size(),
            fmt::format("replicated_deduplication_window_seconds = {}, replicated_deduplication_window",
                        window_seconds)};
  }

  Result<std::optional<Steps>> table() {
    size_t next = at_ + 3;
    if (next >= tokens_.size() || placement_ == Placement::initiator) return nullptr_steps();
    if (tokens_[next].keyword("AS") && named(next + 1)) return table_like(next + 1);
    if (!tokens_[next].is("(") || partner_[next] == std::string::npos) return nullptr_steps();
    if (database() == "tidemark" && !mirrored(database(), name())) return nullptr_steps();
    size_t close = partner_[next];
    if (close + 3 >= tokens_.size() || !tokens_[close + 1].keyword("ENGINE")) return nullptr_steps();
    size_t engine = close + 3;  // ENGINE = X
    const std::string& kind = tokens_[engine].name;
    if (kind != "Null" && !kind.ends_with("MergeTree")) return nullptr_steps();
    Edits edits;
    localize_own(edits);
    if (layout_.replicated) replicate(edits, engine);
    std::string_view columns = sql_.substr(tokens_[next].offset, tokens_[close].end() - tokens_[next].offset);
    return Steps{make_database(),
                 {everywhere(), with(edits)},
                 {Where::initiator, "CREATE DATABASE IF NOT EXISTS " + quote_identifier(database())},
                 {Where::initiator, show(columns, key_of(engine))}};
  }

  // Nobody inserts through the Distributed table of what is split before it is sent, and without a key the
  // server refuses it. Rows of a keyed store are kept together by key; what cuts touched may lie anywhere.
  std::string key_of(size_t engine) const {
    if (placement_ != Placement::by_key) return {};
    if (tokens_[engine].name.find("Replacing") == std::string::npos) return ", rand()";
    for (size_t index = engine; index + 2 < tokens_.size(); ++index) {
      if (!tokens_[index].keyword("ORDER") || !tokens_[index + 1].keyword("BY")) continue;
      size_t open = index + 2;
      size_t last = tokens_[open].is("(") ? partner_[open] : open;
      if (last == std::string::npos) return {};
      // As text: a key may be NULL, of which a hash is NULL.
      return fmt::format(", cityHash64(toString(tuple({})))",
                         tokens_[open].is("(")
                             ? sql_.substr(tokens_[open].end(), tokens_[last].offset - tokens_[open].end())
                             : tokens_[open].text);
    }
    return {};
  }

  Result<std::optional<Steps>> table_like(size_t other) {
    if (!is_sharded(other)) return nullptr_steps();
    Edits edits;
    localize_own(edits);
    localize(edits, other);
    std::string text = with(edits);
    if (layout_.replicated) {
      // AS takes the path of the other over, too.
      std::string engine = sharded_(tokens_[other].name, tokens_[other + 2].name)->engine;
      size_t path = engine.find('\'');
      size_t end = path == std::string::npos ? path : engine.find('\'', path + 1);
      if (end == std::string::npos)
        return fail(ErrorKind::unsupported, fmt::format("{}.{} is not replicated, and the cluster is",
                                                        tokens_[other].name, tokens_[other + 2].name));
      engine.replace(path, end + 1 - path,
                     quote_string(fmt::format("/clickhouse/tables/{{shard}}/{}/{}",
                                              shard_database(database()), name())));
      text += " ENGINE = " + engine;
    }
    return Steps{
        make_database(),
        {everywhere(), std::move(text)},
        {Where::initiator, show("AS " + quote_table(tokens_[other].name, tokens_[other + 2].name), "")}};
  }

  Result<std::optional<Steps>> materialized_view() {
    if (at_ + 4 >= tokens_.size() || !tokens_[at_ + 3].keyword("TO") || !named(at_ + 4) ||
        !is_sharded(at_ + 4))
      return nullptr_steps();
    for (const auto& token : tokens_) {
      std::string word = token.name.substr(0, 7);
      std::transform(word.begin(), word.end(), word.begin(), [](unsigned char c) { return std::tolower(c); });
      if (token.kind == TokenKind::word && (word == "dictget" || word == "dicthas"))
        return fail(ErrorKind::unsupported,
                    fmt::format("{} looks values up in a dictionary while rows come in, and the shards of a "
                                "cluster have no dictionaries",
                                quoted()),
                    "join the table in the model instead, or use `-- kind: view`");
    }
    Edits edits;
    localize_own(edits);
    localize(edits, at_ + 3);
    return Steps{make_database(), {everywhere(), with(edits)}};
  }

  Result<std::optional<Steps>> view() {
    if (!mirrored(database(), name())) return nullptr_steps();
    Edits edits;
    localize_own(edits);
    localize(edits, at_ + 3);
    return Steps{make_database(), {everywhere(), with(edits)}, {Where::initiator, std::string(sql_)}};
  }

  Result<std::optional<Steps>> drop() {
    if (!mirrored(database(), name()) && !is_sharded(at_)) return nullptr_steps();
    std::string rest(sql_.substr(tokens_[at_ + 2].end()));
    std::string what = tokens_[1].keyword("VIEW") ? "VIEW" : "TABLE";
    return Steps{{everywhere(), "DROP " + what + " IF EXISTS " + local_name() +
                                    (layout_.replicated ? on_cluster() : "") + rest},
                 {Where::initiator, "DROP " + what + " IF EXISTS " + quoted() + rest}};
  }

  Result<std::optional<Steps>> change() {
    if (!is_sharded(at_)) return nullptr_steps();
    // Settings and merges are each replica's own.
    bool own =
        tokens_[0].keyword("SYSTEM") || (at_ + 4 < tokens_.size() && tokens_[at_ + 3].keyword("MODIFY") &&
                                         tokens_[at_ + 4].keyword("SETTING"));
    if (!own || !layout_.replicated) return Steps{{Where::shards, local()}};
    Edits edits;
    localize(edits, 0);
    edits[tokens_[0].keyword("SYSTEM") ? tokens_[2].end() : tokens_[at_ + 2].end()] = {0, on_cluster()};
    return Steps{{Where::once, with(edits)}};
  }

  std::string_view sql_;
  std::vector<Token> tokens_;
  std::vector<size_t> partner_;
  Placement placement_;
  const ClusterLayout& layout_;
  const ShardedTables& sharded_;
  size_t at_ = 0;  // of the name
};

}  // namespace

std::string shard_database(std::string_view database) {
  return std::string(database) + std::string(suffix);
}

Result<std::optional<std::vector<ClusterStep>>> cluster_steps(std::string_view sql, Placement placement,
                                                              const ClusterLayout& layout,
                                                              const ShardedTables& sharded) {
  if (placement == Placement::initiator) return std::optional<std::vector<ClusterStep>>();
  return Statement(sql, TRY(tokenize(sql)), placement, layout, sharded).steps();
}

}  // namespace tidemark::clickhouse
