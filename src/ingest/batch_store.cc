#include "ingest/batch_store.h"

#include "base/clock.h"
#include "clickhouse/native_reader.h"
#include "clickhouse/native_writer.h"
#include "clickhouse/schema.h"

namespace tidemark::ingest {
namespace {

constexpr const char* operations_column = "_operation";

// The part's rows with their operations, in Native.
std::string packed(Part& part) {
  part.rows.add(operations_column, ColumnType::of(TypeKind::uint8));
  for (Operation operation : part.operations)
    part.rows.columns.back().append<uint8_t>(static_cast<uint8_t>(operation));
  std::string bytes = clickhouse::NativeBlock(part.rows).text();
  part.rows.names.pop_back();
  part.rows.columns.pop_back();
  return bytes;
}

Result<std::unique_ptr<Part>> unpacked(const CapturedTable& table, std::string_view bytes) {
  auto part = std::make_unique<Part>();
  part->table = &table;
  part->rows = bronze_block(table);
  clickhouse::NativeReader reader;
  TRY_VOID(reader.feed(bytes, [&](Block block) -> Status {
    if (block.columns.size() != part->rows.columns.size() + 1 || block.names.back() != operations_column)
      return fail(ErrorKind::unsupported,
                  fmt::format("table {} changed while a cut of it was being applied", table.display()),
                  "load the source again with: tidemark up --recopy");
    for (size_t row = 0; row < block.rows(); ++row) {
      for (size_t column = 0; column < part->rows.columns.size(); ++column)
        part->rows.columns[column].append_from(block.columns[column], row);
      part->operations.push_back(static_cast<Operation>(block.columns.back().get<uint8_t>(row)));
    }
    return {};
  }));
  TRY_VOID(reader.finish());
  return part;
}

std::map<std::string, std::string> parameters_of(const std::string& source, uint16_t epoch) {
  return {{"source", source}, {"epoch", std::to_string(epoch)}};
}

}  // namespace

Status BatchStore::prepare() {
  const std::string settings = " SETTINGS " + clickhouse::merge_tree_settings(true);
  const std::string statements[] = {
      "CREATE TABLE IF NOT EXISTS tidemark.batch_progress (source String, epoch UInt64, slot UInt64, cut "
      "UInt64, progress String, saved_at DateTime64(6, 'UTC')) ENGINE = ReplacingMergeTree(cut) ORDER BY "
      "(source, epoch, slot)" +
          settings,
      "CREATE TABLE IF NOT EXISTS tidemark.batch_parts (source String, epoch UInt64, cut UInt64, table "
      "String, part UInt64, position UInt64, rows String) ENGINE = ReplacingMergeTree(cut) PARTITION BY "
      "source ORDER BY (epoch, position)" +
          settings,
      "CREATE TABLE IF NOT EXISTS tidemark.batch_requests (source String, number UInt64) ENGINE = "
      "ReplacingMergeTree(number) ORDER BY source" +
          settings,
  };
  for (const auto& statement : statements)
    TRY_VOID(clickhouse::retry(policy_, stop_, [&] { return pool_.lease()->execute(statement); }));
  return {};
}

Result<Block> BatchStore::read(const std::string& sql, std::map<std::string, std::string> parameters) {
  Block block;
  clickhouse::QueryOptions options;
  options.parameters = std::move(parameters);
  TRY_VOID(clickhouse::retry(policy_, stop_, [&]() -> Status {
    block = TRY(pool_.lease()->query(sql, options));
    return {};
  }));
  return block;
}

Result<std::optional<SourceProgress>> BatchStore::load(const std::string& source, uint16_t epoch,
                                                       uint64_t cut) {
  auto parameters = parameters_of(source, epoch);
  parameters["cut"] = std::to_string(cut);
  Block block =
      TRY(read("SELECT progress, slot FROM tidemark.batch_progress WHERE source = {source:String} "
               "AND epoch = {epoch:UInt64} AND cut = {cut:UInt64} ORDER BY saved_at DESC LIMIT 1",
               std::move(parameters)));
  if (block.rows() == 0) return std::nullopt;
  slot_ = block.columns[1].get<uint64_t>(0);
  return TRY(SourceProgress::from_json(block.columns[0].text(0)));
}

Status BatchStore::save(const std::string& source, uint16_t epoch, uint64_t cut,
                        const SourceProgress& progress) {
  Block block;
  block.add("source", ColumnType::of(TypeKind::string));
  block.columns.back().append_text(source);
  for (auto [name, value] :
       {std::pair<const char*, uint64_t>{"epoch", epoch}, {"slot", 1 - slot_}, {"cut", cut}}) {
    block.add(name, ColumnType::of(TypeKind::uint64));
    block.columns.back().append<uint64_t>(value);
  }
  block.add("progress", ColumnType::of(TypeKind::string));
  block.columns.back().append_text(progress.to_json());
  block.add("saved_at", ColumnType::datetime64(6, "UTC"));
  block.columns.back().append<int64_t>(system_clock().wall_micros());
  return clickhouse::insert_exactly_once(pool_, "tidemark.batch_progress", block,
                                         fmt::format("{}:{}:{}:progress", source, epoch, cut), {}, policy_,
                                         stop_);
}

Status BatchStore::stage(const std::string& source, uint16_t epoch, uint64_t cut,
                         const std::vector<std::unique_ptr<Part>>& parts) {
  Block block;
  for (const char* name : {"source", "table", "rows"}) block.add(name, ColumnType::of(TypeKind::string));
  for (const char* name : {"epoch", "cut", "part", "position"})
    block.add(name, ColumnType::of(TypeKind::uint64));
  for (size_t position = 0; position < parts.size(); ++position) {
    block.columns[0].append_text(source);
    block.columns[1].append_text(parts[position]->table->name);
    block.columns[2].append_text(packed(*parts[position]));
    block.columns[3].append<uint64_t>(epoch);
    block.columns[4].append<uint64_t>(cut);
    block.columns[5].append<uint64_t>(parts[position]->number);
    block.columns[6].append<uint64_t>(position);
  }
  return clickhouse::insert_exactly_once(pool_, "tidemark.batch_parts", block,
                                         fmt::format("{}:{}:{}:parts", source, epoch, cut), {}, policy_,
                                         stop_);
}

Result<std::vector<std::unique_ptr<Part>>> BatchStore::staged(const std::string& source, uint16_t epoch,
                                                              uint64_t cut, const FindTable& find) {
  auto parameters = parameters_of(source, epoch);
  parameters["cut"] = std::to_string(cut);
  Block block = TRY(
      read("SELECT table, part, rows FROM tidemark.batch_parts WHERE source = {source:String} AND epoch = "
           "{epoch:UInt64} AND cut = {cut:UInt64} ORDER BY position LIMIT 1 BY position",
           std::move(parameters)));
  std::vector<std::unique_ptr<Part>> parts;
  for (size_t row = 0; row < block.rows(); ++row) {
    const CapturedTable* table = find(block.columns[0].text(row));
    if (table == nullptr)
      return fail(
          ErrorKind::unsupported,
          fmt::format("bronze.{} has rows of a cut that a kill interrupted, and is no longer a table of "
                      "source {}",
                      block.columns[0].text(row), source),
          "add the table again, or load the source again with: tidemark up --recopy");
    parts.push_back(TRY(unpacked(*table, block.columns[2].text(row))));
    parts.back()->cut = cut;
    parts.back()->number = static_cast<uint32_t>(block.columns[1].get<uint64_t>(row));
  }
  return parts;
}

Status BatchStore::forget_staged(const std::string& source) {
  Block block = TRY(read("SELECT 1 FROM tidemark.batch_parts WHERE source = {source:String} LIMIT 1",
                         {{"source", source}}));
  if (block.rows() == 0) return {};
  return clickhouse::retry(policy_, stop_, [&] {
    return pool_.lease()->execute("ALTER TABLE tidemark.batch_parts DROP PARTITION " +
                                  clickhouse::quote_string(source));
  });
}

Result<uint64_t> BatchStore::newest_cut(const std::string& source, uint16_t epoch) {
  Block block = TRY(read(
      "SELECT greatest((SELECT max(cut) FROM tidemark.batch_progress WHERE source = {source:String} AND "
      "epoch = {epoch:UInt64}), (SELECT max(cut) FROM tidemark.batch_parts WHERE source = {source:String} "
      "AND epoch = {epoch:UInt64})) AS cut",
      parameters_of(source, epoch)));
  const Column& cut = block.columns[0];
  return cut.is_null(0) ? 0 : cut.get<uint64_t>(0);
}

Result<uint64_t> BatchStore::ask(const std::string& source) {
  uint64_t number =
      std::max(TRY(newest_request(source)) + 1, static_cast<uint64_t>(system_clock().wall_micros()));
  Block block;
  block.add("source", ColumnType::of(TypeKind::string));
  block.columns.back().append_text(source);
  block.add("number", ColumnType::of(TypeKind::uint64));
  block.columns.back().append<uint64_t>(number);
  TRY_VOID(clickhouse::insert_exactly_once(pool_, "tidemark.batch_requests", block,
                                           fmt::format("{}:request:{}", source, number), {}, policy_, stop_));
  return number;
}

Result<uint64_t> BatchStore::newest_request(const std::string& source) {
  Block block = TRY(read("SELECT max(number) FROM tidemark.batch_requests WHERE source = {source:String}",
                         {{"source", source}}));
  return block.columns[0].get<uint64_t>(0);
}

}  // namespace tidemark::ingest
