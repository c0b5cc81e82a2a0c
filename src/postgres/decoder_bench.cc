// How fast the decoders are without a server: COPY BINARY and pgoutput rows of an impressions-like table,
// made in memory. Build: ninja tidemark_postgres_bench (with -DTIDEMARK_BENCH=ON); with a url as argument it
// also measures the change stream of that server (a table of its own, dropped afterwards).
#include "postgres/copy_reader.h"
#include "postgres/pgoutput.h"
#include "postgres/replication_setup.h"
#include "postgres/replication_stream.h"

#include <chrono>
#include <cstdio>

namespace tidemark::postgres {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void big(std::string& out, uint64_t value, int width) {
  for (int shift = width * 8 - 8; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift);
}

SourceTable impressions(bool with_text) {
  SourceTable table{.oid = 1, .schema = "public", .name = "impressions"};
  auto add = [&](const char* name, WireType wire, ColumnType target) {
    SourceColumn column;
    column.name = name;
    column.wire = wire;
    column.not_null = true;
    column.target = std::move(target);
    table.columns.push_back(column);
  };
  add("id", WireType::int8, ColumnType::of(TypeKind::int64));
  add("campaign", WireType::int4, ColumnType::of(TypeKind::int32));
  add("advertiser", WireType::int4, ColumnType::of(TypeKind::int32));
  add("cost", WireType::numeric, ColumnType::decimal(12, 6));
  add("viewed", WireType::boolean, ColumnType::of(TypeKind::boolean));
  add("score", WireType::float8, ColumnType::of(TypeKind::float64).as_nullable());
  add("created_at", WireType::timestamptz, ColumnType::datetime64(6, "UTC"));
  if (with_text) add("country", WireType::text, ColumnType::of(TypeKind::string));
  return table;
}

// One row's fields, each with its length before it; for pgoutput with 'b' before that.
std::string row(uint64_t id, bool with_text, bool pgoutput) {
  std::string out;
  auto field = [&](uint64_t value, int width) {
    if (pgoutput) out += 'b';
    big(out, static_cast<uint64_t>(width), 4);
    big(out, value, width);
  };
  big(out, with_text ? 8 : 7, 2);
  field(id, 8);
  field(id % 1000, 4);
  field(id % 50, 4);
  if (pgoutput) out += 'b';
  big(out, 12, 4);  // numeric 3.1234..: two digits
  big(out, 2, 2);
  big(out, 0, 2);
  big(out, 0, 2);
  big(out, 6, 2);
  big(out, id % 10 + 1, 2);
  big(out, id % 10'000, 2);
  field(id % 2, 1);
  field(std::bit_cast<uint64_t>(static_cast<double>(id) * 0.37), 8);
  field(700'000'000'000'000 + id * 1000, 8);
  if (with_text) {
    if (pgoutput) out += 'b';
    big(out, 7, 4);
    out += "Germany";
  }
  return out;
}

void measure_copy(bool with_text) {
  constexpr size_t count = 100'000;
  std::string header("PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0", 19);
  std::vector<std::string> rows;
  for (size_t id = 0; id < count; ++id) rows.push_back(row(id, with_text, false));
  TableDecoder decoder(impressions(with_text));
  Block block;
  decoder.add_columns(block);
  CopyBinaryReader reader;
  if (!reader.feed(header.data(), header.size(), decoder, block)) return;
  auto start = std::chrono::steady_clock::now();
  size_t total = 0;
  for (int round = 0; round < 50; ++round) {
    block.clear();
    for (const auto& bytes : rows)
      total += reader.feed(bytes.data(), bytes.size(), decoder, block).value_or(0);
  }
  std::printf("COPY BINARY, %d columns%s: %.1f M rows/s\n", with_text ? 8 : 7, with_text ? " (one text)" : "",
              static_cast<double>(total) / seconds_since(start) / 1e6);
}

void measure_pgoutput(bool with_text) {
  constexpr size_t count = 100'000;
  std::vector<std::string> messages;
  for (size_t id = 0; id < count; ++id) {
    std::string message = "I";
    big(message, 1, 4);
    message += 'N';
    messages.push_back(message + row(id, with_text, true));
  }
  TableDecoder decoder(impressions(with_text));
  Block block;
  decoder.add_columns(block);
  PgoutputDecoder pgoutput(1);
  auto start = std::chrono::steady_clock::now();
  size_t total = 0;
  for (int round = 0; round < 50; ++round) {
    block.clear();
    for (const auto& bytes : messages) {
      auto message = pgoutput.decode(bytes);
      if (message && decoder.append((*message)->new_row, RowImage::full, block)) ++total;
    }
  }
  std::printf("pgoutput binary inserts, %d columns: %.1f M rows/s\n", with_text ? 8 : 7,
              static_cast<double>(total) / seconds_since(start) / 1e6);
}

Status measure_server(const std::string& url) {
  Connection sql = TRY(Connection::open({.url = url}));
  TRY_VOID(sql.execute(
      "DROP TABLE IF EXISTS public.tidemark_bench; CREATE TABLE public.tidemark_bench (id bigint PRIMARY "
      "KEY, campaign "
      "int NOT NULL, advertiser int NOT NULL, cost numeric(12,6) NOT NULL, viewed boolean NOT NULL, "
      "score float8, created_at timestamptz NOT NULL)"));
  auto tables = TRY(read_tables(sql, {"tidemark_bench"}));
  TRY_VOID(ensure_publication(sql, "tidemark_bench", "tidemark_bench", tables));
  TRY_VOID(drop_slot(sql, "tidemark_bench"));
  Connection replication = TRY(Connection::open({.url = url, .replication = true}));
  TRY(create_slot(replication, "tidemark_bench", false));
  TRY_VOID(sql.execute(
      "INSERT INTO public.tidemark_bench SELECT i, i % 1000, i % 50, i % 97 * 0.37, i % 2 = 0, i * "
      "0.1, now() FROM generate_series(1, 1000000) i"));
  TRY_VOID(sql.execute("SELECT pg_catalog.pg_logical_emit_message(false, 'bench', 'end')"));
  TableDecoder decoder(tables[0]);
  Block block;
  decoder.add_columns(block);
  {
    CopyBinaryReader reader;
    auto start = std::chrono::steady_clock::now();
    TRY(sql.copy_out(copy_statement(tables[0]), [&](std::string_view data) -> Status {
      if (block.rows() > 65'536) block.clear();
      TRY(reader.feed(data.data(), data.size(), decoder, block));
      return {};
    }));
    std::printf("server, COPY BINARY decoded: %.2f M rows/s\n",
                static_cast<double>(reader.rows()) / seconds_since(start) / 1e6);
  }
  for (int version : {1, 2})
    for (bool binary : {true, false}) {
      auto stream = TRY(ReplicationStream::start({.connection = {.url = url},
                                                  .slot = "tidemark_bench",
                                                  .publication = "tidemark_bench",
                                                  .binary = binary,
                                                  .protocol_version = version}));
      PgoutputDecoder pgoutput(version);
      auto start = std::chrono::steady_clock::now();
      size_t rows = 0;
      for (;;) {
        auto next = TRY(stream.next(std::chrono::milliseconds(60'000)));
        if (!next) break;
        const Message* message = TRY(pgoutput.decode(next->payload));
        if (message->kind == MessageKind::logical && message->content == "end") break;
        if (message->kind != MessageKind::insert) continue;
        if (block.rows() > 65'536) block.clear();
        rows += decoder.append(message->new_row, RowImage::full, block) ? 1 : 0;
      }
      std::printf("server, stream version %d %s, one transaction of 1 M rows: %.2f M rows/s\n", version,
                  binary ? "binary" : "text", static_cast<double>(rows) / seconds_since(start) / 1e6);
      stream.stop();
    }
  TRY_VOID(drop_slot(sql, "tidemark_bench"));
  return sql.execute("DROP PUBLICATION tidemark_bench; DROP TABLE public.tidemark_bench");
}

}  // namespace
}  // namespace tidemark::postgres

int main(int count, char** arguments) {
  using namespace tidemark::postgres;
  for (bool with_text : {false, true}) {
    measure_copy(with_text);
    measure_pgoutput(with_text);
  }
  if (count < 2) return 0;
  auto status = measure_server(arguments[1]);
  if (!status) std::fprintf(stderr, "%s\n", status.error().describe().c_str());
  return status ? 0 : 1;
}
