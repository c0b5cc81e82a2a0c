// Not a test of its own: writes a random project for the end-to-end test (test/torture/models.test.mjs), by
// the same grammar and the same stream as property_test.cc.
#include "clickhouse/test_server.h"
#include "models/compiler.h"
#include "models/random_model.h"
#include "models/random_stream.h"

#include <cstdlib>
#include <fstream>
#include <gtest/gtest.h>

namespace tidemark::models {
namespace {

std::string header_of(const config::ModelFile& file) {
  std::string header = "-- kind: " + file.kind + "\n";
  auto add = [&](const char* key, const std::vector<std::string>& values) {
    std::string text;
    for (const auto& value : values) text += (text.empty() ? "" : ", ") + value;
    if (!text.empty()) header += fmt::format("-- {}: {}\n", key, text);
  };
  add("key", file.kind == "view" ? std::vector<std::string>{} : file.key);
  add("order_by", file.order_by);
  if (!file.partition_by.empty()) add("partition_by", {file.partition_by});
  if (!file.ttl.empty()) add("ttl", {file.ttl});
  if (file.on_change) header += "-- on_change: true\n-- not_more_often: 1s\n";
  return header;
}

std::string source_schema(const std::vector<RandomTable>& tables) {
  std::string sql = "CREATE TYPE order_status AS ENUM ('new', 'paid', 'sent', 'back');\n";
  for (const auto& table : tables) {
    sql += "CREATE TABLE " + table.name + " (";
    std::string key;
    for (size_t index = 0; index < table.columns.size(); ++index) {
      const auto& column = table.columns[index];
      sql += (index == 0 ? "" : ", ") + column.name + " " + column.source_type +
             (column.nullable() ? "" : " NOT NULL");
      if (index < table.key_columns) key += (index == 0 ? "" : ", ") + column.name;
    }
    sql += (key.empty() ? "" : ", PRIMARY KEY (" + key + ")") + ");\n";
  }
  return sql;
}

void write(const std::filesystem::path& path, const std::string& text) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream file(path, std::ios::trunc);
  file << text;
  ASSERT_TRUE(file.good()) << path;
}

// TIDEMARK_PROJECT: a directory. Gets schema.sql, changes_<n>.sql, models.txt (names, each after those it
// reads) and models/<database>/<name>.sql of the models that compile.
TEST(RandomProject, IsWrittenForTheEndToEndTest) {
  const char* directory = std::getenv("TIDEMARK_PROJECT");
  if (directory == nullptr) GTEST_SKIP() << "TIDEMARK_PROJECT names no directory";
  uint64_t seed = std::strtoull(std::getenv("TIDEMARK_SEED"), nullptr, 10);
  size_t model_count = std::strtoull(std::getenv("TIDEMARK_MODELS"), nullptr, 10);
  size_t batches = std::strtoull(std::getenv("TIDEMARK_BATCHES"), nullptr, 10);
  RandomSource source(random_tables(), seed);
  auto client = clickhouse::TestServer::shared().client();
  for (const char* database : {"bronze", "truth"}) {
    ASSERT_TRUE(client.execute("DROP DATABASE IF EXISTS " + std::string(database) + " SYNC"));
    ASSERT_TRUE(client.execute("CREATE DATABASE " + std::string(database)));
  }
  for (const auto& table : source.tables())
    for (const auto& statement : create_statements(table))
      ASSERT_TRUE(client.execute(statement)) << statement;

  // The grammar's models, as many as it takes: what is refused takes its readers with it.
  ModelGenerator generator(source.tables(), seed);
  std::vector<config::ModelFile> files;
  std::string names;
  for (size_t index = 0; index < model_count; ++index) files.push_back(generator.next());
  auto compilation = compile(client, files);
  ASSERT_TRUE(compilation) << compilation.error().describe();
  std::filesystem::path root(directory);
  for (const auto& file : files) {
    if (compilation->models.find(file.full_name()) == nullptr) continue;
    write(root / file.file, header_of(file) + file.sql + "\n");
    names += file.full_name() + "\n";
  }
  write(root / "models.txt", names);
  write(root / "schema.sql", source_schema(source.tables()));
  for (size_t batch = 0; batch <= batches; ++batch) {
    std::string sql;
    // Of transactions that nobody waits for, the server makes thousands a second.
    for (int transaction = 0; transaction < 1200; ++transaction)
      sql += source.statements(source.transaction(transaction % 40 == 0 ? 60 : 4));
    write(root / fmt::format("changes_{}.sql", batch), sql);
  }
}

}  // namespace
}  // namespace tidemark::models
