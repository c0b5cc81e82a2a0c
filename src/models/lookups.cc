#include "models/lookups.h"

#include "base/log.h"
#include "clickhouse/schema.h"
#include "config/project.h"
#include "models/compiler.h"
#include "models/model_source.h"
#include "models/references.h"
#include "postgres/url_parts.h"

namespace tidemark::models {
namespace {

using clickhouse::quote_identifier;
using clickhouse::quote_string;
using clickhouse::quote_table;
using config::Diagnostic;
using config::DictionaryFile;

constexpr std::string_view over_comment = "tidemark: over ";
constexpr std::string_view live_comment = "tidemark: live from ";
constexpr const char* warehouse_collection = "tidemark_warehouse";

std::string quoted_name(const DictionaryFile& dictionary) {
  return quote_table(dictionary.database, dictionary.name);
}

std::string collection_of(const std::string& source) {
  return "tidemark_source_" + source;
}

// "schema.name", public by default.
std::pair<std::string, std::string> schema_and_name(const std::string& table) {
  size_t dot = table.find('.');
  if (dot == std::string::npos) return {"public", table};
  return {table.substr(0, dot), table.substr(dot + 1)};
}

// As bronze names them: the schema is left out when it is public.
std::string live_name(const std::string& table) {
  auto [schema, name] = schema_and_name(table);
  return schema == "public" ? name : schema + "_" + name;
}

// LowCardinality is a way of storing that dictionaries do not have.
std::string plain_type(std::string type) {
  constexpr std::string_view wrapper = "LowCardinality(";
  if (type.starts_with(wrapper)) return type.substr(wrapper.size(), type.size() - wrapper.size() - 1);
  return type;
}

class Preparation {
 public:
  Preparation(clickhouse::Client& client, const config::Project& project, LookupChanges changes)
      : client_(client), project_(project), changes_(changes) {}

  Result<std::vector<Diagnostic>> run() {
    Lookups existing = TRY(Lookups::load(client_));
    if (project_.dictionaries.empty() && existing.dictionaries.empty() && existing.live_tables.empty() &&
        std::all_of(project_.sources.begin(), project_.sources.end(),
                    [](const auto& source) { return source.live.empty(); }))
      return std::move(diagnostics_);
    for (const auto& source : project_.sources) {
      bool needed = !source.live.empty() ||
                    std::any_of(project_.dictionaries.begin(), project_.dictionaries.end(),
                                [&](const auto& dictionary) { return dictionary.source == source.name; });
      if (needed) TRY_VOID(in(connect(source), "source " + source.name));
    }
    std::set<std::string> wanted;
    for (const auto& source : project_.sources)
      for (const auto& table : source.live) {
        std::string name = "live." + live_name(table);
        wanted.insert(name);
        if (changes_ == LookupChanges::missing && existing.live_tables.contains(name)) continue;
        TRY_VOID(in(make_live_table(source, table), "source " + source.name));
      }
    for (const auto& dictionary : in_order()) {
      wanted.insert(dictionary->full_name());
      if (changes_ == LookupChanges::missing && existing.dictionaries.contains(dictionary->full_name()))
        continue;
      TRY_VOID(in(make_dictionary(*dictionary), "dictionary " + dictionary->full_name()));
    }
    if (changes_ == LookupChanges::all) TRY_VOID(drop_others(existing, wanted));
    return std::move(diagnostics_);
  }

 private:
  static Status in(Status status, const std::string& where) {
    if (!status) return fail(std::move(status.error()).in(where));
    return status;
  }

  void complain(const DictionaryFile& dictionary, std::string message, std::string remedy) {
    diagnostics_.push_back(
        {.where = dictionary.where, .message = std::move(message), .remedy = std::move(remedy)});
  }

  // Statements with a password in them: no error may repeat it.
  Status execute_secretly(const std::string& sql, const Secret& password) {
    Status done = client_.execute(sql);
    if (done) return done;
    Error error = std::move(done.error());
    std::string quoted = quote_string(password.reveal());
    for (const std::string& secret : {quoted, password.reveal()})
      for (size_t at; secret.size() > 2 && (at = error.message.find(secret)) != std::string::npos;)
        error.message.replace(at, secret.size(), "***");
    return fail(std::move(error));
  }

  Status collection(const std::string& name, const std::vector<std::pair<std::string, std::string>>& values,
                    const Secret& password) {
    std::vector<std::string> pairs;
    for (const auto& [key, value] : values) pairs.push_back(key + " = " + quote_string(value));
    pairs.push_back("password = " + quote_string(password.reveal()));
    TRY_VOID(execute_secretly(
        "CREATE NAMED COLLECTION IF NOT EXISTS " + quote_identifier(name) + " AS " + joined(pairs),
        password));
    // Those who use it keep it, so it is changed and not replaced.
    return execute_secretly("ALTER NAMED COLLECTION " + quote_identifier(name) + " SET " + joined(pairs),
                            password);
  }

  Status connect(const config::PostgresSource& source) {
    postgres::UrlParts parts = TRY(postgres::url_parts(source.url));
    return collection(
        collection_of(source.name),
        {{"host", parts.host}, {"port", parts.port}, {"user", parts.user}, {"database", parts.database}},
        parts.password);
  }

  Status make_live_table(const config::PostgresSource& source, const std::string& table) {
    auto [schema, name] = schema_and_name(table);
    TRY_VOID(client_.execute("CREATE DATABASE IF NOT EXISTS live"));
    return client_.execute(
        fmt::format("CREATE OR REPLACE TABLE {} ENGINE = PostgreSQL({}, table = {}, schema = {}) COMMENT {}",
                    quote_table("live", live_name(table)), quote_identifier(collection_of(source.name)),
                    quote_string(name), quote_string(schema),
                    quote_string(fmt::format("{}{}.{}", live_comment, source.name, table))));
  }

  // Dictionaries over models after those over tables and live ones: such a model may use these.
  std::vector<const DictionaryFile*> in_order() const {
    std::vector<const DictionaryFile*> ordered;
    for (bool over_model : {false, true})
      for (const auto& dictionary : project_.dictionaries)
        if ((!dictionary.live() && !dictionary.over.starts_with("bronze.")) == over_model)
          ordered.push_back(&dictionary);
    return ordered;
  }

  // What the model and those it reads compile to; nothing when it does not, which compile() will say.
  Result<std::vector<clickhouse::ColumnDescription>> columns_of_model(const std::string& name) {
    std::set<std::string> needed;
    std::vector<std::string> open{name};
    std::vector<config::ModelFile> files;
    while (!open.empty()) {
      std::string next = open.back();
      open.pop_back();
      if (!needed.insert(next).second) continue;
      for (const auto& file : project_.models) {
        if (file.full_name() != next) continue;
        files.push_back(file);
        if (auto tables = referenced_tables(file.sql))
          open.insert(open.end(), tables->begin(), tables->end());
      }
    }
    Compilation compilation = TRY(compile(client_, files));
    const CompiledModel* model = compilation.models.find(name);
    return model == nullptr ? std::vector<clickhouse::ColumnDescription>() : model->columns;
  }

  Result<std::vector<clickhouse::ColumnDescription>> columns_of(const DictionaryFile& dictionary) {
    if (dictionary.live()) {
      auto [schema, name] = schema_and_name(dictionary.table);
      return clickhouse::describe_select(
          client_, fmt::format("SELECT * FROM postgresql({}, table = {}, schema = {})",
                               quote_identifier(collection_of(dictionary.source)), quote_string(name),
                               quote_string(schema)));
    }
    if (dictionary.over.starts_with("bronze."))
      return clickhouse::table_columns(client_, "bronze", dictionary.over.substr(7) + "__current");
    return columns_of_model(dictionary.over);
  }

  Result<std::string> source_clause(const DictionaryFile& dictionary) {
    if (dictionary.live()) {
      auto [schema, name] = schema_and_name(dictionary.table);
      return fmt::format("POSTGRESQL(NAME {} SCHEMA {} TABLE {})", collection_of(dictionary.source),
                         quote_string(schema), quote_string(name));
    }
    const clickhouse::Endpoint& endpoint = client_.endpoint();
    TRY_VOID(collection(warehouse_collection, {{"user", endpoint.user}}, endpoint.password));
    bool mirrored = dictionary.over.starts_with("bronze.");
    size_t dot = dictionary.over.find('.');
    return fmt::format("CLICKHOUSE(NAME {} DB {} TABLE {})", warehouse_collection,
                       quote_string(dictionary.over.substr(0, dot)),
                       quote_string(dictionary.over.substr(dot + 1) + (mirrored ? "__current" : "")));
  }

  Status make_dictionary(const DictionaryFile& dictionary) {
    auto columns = TRY(columns_of(dictionary));
    if (columns.empty()) {
      if (dictionary.over.starts_with("bronze."))
        complain(dictionary, fmt::format("unknown table {}", dictionary.over),
                 "name a table that a source of this project captures");
      return {};
    }
    std::vector<std::string> names;
    std::map<std::string, std::string> types;
    for (const auto& column : columns) {
      names.push_back(column.name);
      types[column.name] = plain_type(column.type);
    }
    std::vector<std::string> attributes = dictionary.attributes;
    if (attributes.empty())
      for (const auto& name : names)
        if (std::find(dictionary.key.begin(), dictionary.key.end(), name) == dictionary.key.end())
          attributes.push_back(name);
    bool good = true;
    for (const auto& list : {dictionary.key, attributes})
      for (const auto& name : list)
        if (!types.contains(name)) {
          complain(
              dictionary,
              fmt::format("{} has no column `{}`{}", dictionary.live() ? dictionary.table : dictionary.over,
                          name, config::did_you_mean(name, names)),
              "name columns as they are there");
          good = false;
        }
    for (const auto& name : dictionary.key)
      if (good && types[name].starts_with("Nullable("))
        complain(dictionary, fmt::format("the key column `{}` may be NULL, and NULL finds nothing", name),
                 "use columns that are never NULL"),
            good = false;
    if (!good) return {};

    bool flat = dictionary.layout == "flat";
    std::vector<std::string> definitions;
    for (const auto& name : dictionary.key)
      definitions.push_back(quote_identifier(name) + " " + (flat ? "UInt64" : types[name]));
    for (const auto& name : attributes) definitions.push_back(quote_identifier(name) + " " + types[name]);
    // Simple keys are UInt64, in which a negative number is another one; complex keys keep their types.
    std::string layout = dictionary.layout.empty() ? "hashed" : dictionary.layout;
    if (!flat) layout = "complex_key_" + layout;
    std::string lifetime =
        dictionary.live() ? fmt::format("MIN {0} MAX {0}", dictionary.lifetime_seconds) : std::string("0");
    std::string comment = dictionary.live()
                              ? fmt::format("{}{}.{}", live_comment, dictionary.source, dictionary.table)
                              : fmt::format("{}{}", over_comment, dictionary.over);
    std::vector<std::string> keys;
    for (const auto& name : dictionary.key) keys.push_back(quote_identifier(name));
    std::string source = TRY(source_clause(dictionary));
    TRY_VOID(client_.execute("CREATE DATABASE IF NOT EXISTS " + quote_identifier(dictionary.database)));
    return client_.execute(fmt::format(
        "CREATE OR REPLACE DICTIONARY {} ({}) PRIMARY KEY {} SOURCE({}) LIFETIME({}) LAYOUT({}()) COMMENT {}",
        quoted_name(dictionary), joined(definitions), joined(keys), source, lifetime, layout,
        quote_string(comment)));
  }

  Status drop_others(const Lookups& existing, const std::set<std::string>& wanted) {
    auto parts = [](const std::string& name) {
      size_t dot = name.find('.');
      return quote_table(name.substr(0, dot), name.substr(dot + 1));
    };
    for (const auto& [name, over] : existing.dictionaries)
      if (!wanted.contains(name)) TRY_VOID(client_.execute("DROP DICTIONARY IF EXISTS " + parts(name)));
    for (const auto& name : existing.live_tables)
      if (!wanted.contains(name)) TRY_VOID(client_.execute("DROP TABLE IF EXISTS " + parts(name)));
    return {};
  }

  clickhouse::Client& client_;
  const config::Project& project_;
  LookupChanges changes_;
  std::vector<Diagnostic> diagnostics_;
};

}  // namespace

Result<Lookups> Lookups::load(clickhouse::Client& client) {
  Lookups lookups;
  Block block = TRY(client.query(
      "SELECT database, name, comment, toUInt8(engine = 'Dictionary') FROM system.tables WHERE comment LIKE "
      "'tidemark: %' AND engine IN ('Dictionary', 'PostgreSQL')"));
  for (size_t row = 0; row < block.rows(); ++row) {
    std::string name =
        std::string(block.columns[0].text(row)) + "." + std::string(block.columns[1].text(row));
    std::string_view comment = block.columns[2].text(row);
    if (block.columns[3].get<uint8_t>(row) == 0)
      lookups.live_tables.insert(name);
    else
      lookups.dictionaries[name] =
          comment.starts_with(over_comment) ? comment.substr(over_comment.size()) : std::string_view();
  }
  return lookups;
}

Result<std::vector<Diagnostic>> prepare_lookups(clickhouse::Client& client, const config::Project& project,
                                                LookupChanges changes) {
  return Preparation(client, project, changes).run();
}

void DictionaryReloads::replace(std::vector<Dictionary> dictionaries) {
  std::lock_guard lock(mutex_);
  dictionaries_ = std::move(dictionaries);
  failing_.clear();
}

bool DictionaryReloads::any_over(const std::vector<std::string>& tables) const {
  std::lock_guard lock(mutex_);
  if (!failing_.empty()) return true;
  for (const auto& dictionary : dictionaries_)
    for (const auto& table : tables)
      if (dictionary.tables.contains(table)) return true;
  return false;
}

void DictionaryReloads::reload(clickhouse::Client& client, const std::vector<std::string>& tables) {
  reload_where(client, [&](const Dictionary& dictionary) {
    return std::any_of(tables.begin(), tables.end(),
                       [&](const std::string& table) { return dictionary.tables.contains(table); });
  });
}

void DictionaryReloads::reload_over(clickhouse::Client& client, const std::string& refresh_model) {
  reload_where(client, [&](const Dictionary& dictionary) {
    return dictionary.refresh_models.contains(refresh_model);
  });
}

void DictionaryReloads::reload_where(clickhouse::Client& client,
                                     const std::function<bool(const Dictionary&)>& touched) {
  std::vector<std::string> names;
  {
    std::lock_guard lock(mutex_);
    for (const auto& dictionary : dictionaries_)
      if (touched(dictionary) || failing_.contains(dictionary.name)) names.push_back(dictionary.name);
  }
  for (const auto& name : names) {
    size_t dot = name.find('.');
    Status done =
        client.execute("SYSTEM RELOAD DICTIONARY " + quote_table(name.substr(0, dot), name.substr(dot + 1)));
    std::lock_guard lock(mutex_);
    if (done) {
      if (failing_.erase(name) > 0) log::info("dictionary {}: reloaded again", name);
    } else if (std::exchange(failing_[name], done.error().message) != done.error().message) {
      log::warn("dictionary {} could not be reloaded, it keeps what it had: {}", name, done.error().message);
    }
  }
}

std::map<std::string, std::string> DictionaryReloads::failing() const {
  std::lock_guard lock(mutex_);
  return failing_;
}

std::vector<DictionaryReloads::Dictionary> dictionaries_of(const config::Project& project,
                                                           const CompiledModels& models) {
  std::vector<DictionaryReloads::Dictionary> all;
  for (const auto& file : project.dictionaries) {
    if (file.live()) continue;
    DictionaryReloads::Dictionary dictionary{.name = file.full_name()};
    if (const CompiledModel* model = models.find(file.over); model == nullptr) {
      dictionary.tables.insert(file.over);
    } else if (model->kind == ModelKind::refresh) {
      dictionary.refresh_models.insert(model->name);
    } else {
      dictionary.tables = model->immediate_tables;
      dictionary.refresh_models = model->refresh_models;
    }
    all.push_back(std::move(dictionary));
  }
  return all;
}

Result<DictionaryParity> verify_dictionary(clickhouse::Client& client, const DictionaryFile& dictionary) {
  DictionaryParity parity{.dictionary = dictionary.full_name()};
  auto columns = TRY(clickhouse::table_columns(client, dictionary.database, dictionary.name));
  std::vector<std::string> held, read;
  for (const auto& column : columns) {
    held.push_back(quote_identifier(column.name));
    read.push_back(fmt::format("CAST({}, {})", quote_identifier(column.name), quote_string(column.type)));
  }
  bool mirrored = dictionary.over.starts_with("bronze.");
  size_t dot = dictionary.over.find('.');
  std::string over = quote_table(dictionary.over.substr(0, dot),
                                 dictionary.over.substr(dot + 1) + (mirrored ? "__current" : ""));
  Block block = TRY(client.query(fmt::format(
      "SELECT toUInt64(sum(held)), toUInt64(greatest(sumIf(balance, balance > 0), -sumIf(balance, balance < "
      "0))) FROM "
      "(SELECT row_hash, sum(side) AS balance, countIf(side < 0) AS held FROM (SELECT "
      "sipHash128(toString(tuple({0}))) AS row_hash, toInt64(-1) AS side FROM {1} UNION ALL SELECT "
      "sipHash128(toString(tuple({2}))), toInt64(1) FROM {3}) GROUP BY row_hash)",
      joined(held), quoted_name(dictionary), joined(read), over)));
  if (block.rows() != 1) return parity;
  parity.rows = block.columns[0].get<uint64_t>(0);
  parity.different = block.columns[1].get<uint64_t>(0);
  return parity;
}

}  // namespace tidemark::models
