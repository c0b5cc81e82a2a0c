// Bytes from outside, thrown at everything that reads Postgres's wire forms: pgoutput (versions 1 and 2, with
// transactions that are read while they run), rows into columns, COPY BINARY cut anywhere. Whatever comes,
// the answer is a value or an error; with sanitizers (preset asan) every stray read is the end of it. What
// must hold besides is checked by INVARIANT here: a refused row leaves the block as it was.
//
//   with clang      -fsanitize=fuzzer: libFuzzer calls LLVMFuzzerTestOneInput
//   with g++        the main() below: every file of a corpus, then mutations of them (bits, lengths, pieces
//   of
//                   others, cuts) for so many seconds. It has no coverage to steer by, so it needs the
//                   corpus.
//
//   scripts/fuzz decoders 3600
#include "base/invariant.h"
#include "postgres/copy_reader.h"
#include "postgres/streamed_transactions.h"

#include <chrono>
#include <cstdio>
#include <fstream>
#include <random>

namespace tidemark::postgres {
namespace {

// One column of every kind of decoder.
SourceTable every_type() {
  SourceTable table{.oid = 5, .schema = "public", .name = "t"};
  auto add = [&](WireType wire, ColumnType target, WireType element = WireType::other) {
    SourceColumn column;
    column.name = "c" + std::to_string(table.columns.size());
    column.wire = wire;
    column.element_wire = element;
    column.target = std::move(target);
    table.columns.push_back(column);
  };
  add(WireType::int8, ColumnType::of(TypeKind::int64));
  add(WireType::text, ColumnType::of(TypeKind::string).as_nullable());
  add(WireType::numeric, ColumnType::decimal(38, 10).as_nullable());
  add(WireType::numeric, ColumnType::of(TypeKind::string).as_nullable());
  add(WireType::timestamptz, ColumnType::datetime64(6, "UTC").as_nullable());
  add(WireType::date, ColumnType::of(TypeKind::date32).as_nullable());
  add(WireType::interval, ColumnType::of(TypeKind::string).as_nullable());
  add(WireType::timetz, ColumnType::of(TypeKind::string).as_nullable());
  add(WireType::uuid, ColumnType::of(TypeKind::uuid).as_nullable());
  add(WireType::bytea, ColumnType::of(TypeKind::string).as_nullable());
  add(WireType::jsonb, ColumnType::of(TypeKind::string).as_nullable());
  add(WireType::inet, ColumnType::of(TypeKind::string).as_nullable());
  add(WireType::bit, ColumnType::of(TypeKind::string).as_nullable());
  add(WireType::float8, ColumnType::of(TypeKind::float64).as_nullable());
  add(WireType::hstore, ColumnType::of(TypeKind::string).as_nullable());
  add(WireType::array, ColumnType::array_of(ColumnType::of(TypeKind::int32).as_nullable()), WireType::int4);
  add(WireType::array, ColumnType::array_of(ColumnType::of(TypeKind::string).as_nullable()), WireType::text);
  return table;
}

void check_even(const Block& block) {
  for (const auto& column : block.columns) INVARIANT(column.rows() == block.rows());
}

void append(TableDecoder& decoder, TupleView row, TupleView old_row, Block& block) {
  size_t before = block.rows();
  bool good = decoder.append(row, RowImage::full, block, old_row);
  check_even(block);
  INVARIANT(block.rows() == before + (good ? 1 : 0));
  if (!good) INVARIANT(!decoder.error_text().empty());
}

// Messages, each behind its length in two bytes.
void read_stream(std::string_view bytes, int version) {
  PgoutputDecoder pgoutput(version);
  StreamedTransactions transactions({.directory = "/nowhere", .memory_bytes_max = size_t{1} << 30});
  TableDecoder decoder(every_type());
  Block block;
  decoder.add_columns(block);
  auto handle = [&](Lsn, const Message& message, std::string_view) -> Status {
    if (message.kind == MessageKind::relation) decoder.bind(message.relation);
    if (message.kind == MessageKind::insert || message.kind == MessageKind::update)
      append(decoder, message.new_row, message.old_row, block);
    if (message.kind == MessageKind::remove) append(decoder, message.old_row, {}, block);
    return {};
  };
  while (bytes.size() >= 2) {
    size_t length = static_cast<unsigned char>(bytes[0]) << 8 | static_cast<unsigned char>(bytes[1]);
    bytes.remove_prefix(2);
    // In memory of its own, so that a read beyond its end is seen.
    std::string payload(bytes.substr(0, length));
    bytes.remove_prefix(std::min(length, bytes.size()));
    auto message = pgoutput.decode(payload);
    if (!message) continue;
    if (!transactions.take(1, **message, payload, handle)) transactions.clear();
  }
}

void read_copy(std::string_view bytes, size_t piece) {
  TableDecoder decoder(every_type());
  Block block;
  decoder.add_columns(block);
  uint64_t failed = 0;
  CopyBinaryReader reader([&](const auto& failure) { failed += failure.explanation.empty() ? 0 : 1; });
  size_t rows = 0;
  while (!bytes.empty()) {
    std::string part(bytes.substr(0, piece));
    bytes.remove_prefix(part.size());
    auto appended = reader.feed(part.data(), part.size(), decoder, block);
    check_even(block);
    if (!appended) return;
    rows += *appended;
    INVARIANT(block.rows() == rows && reader.failed_rows() == failed);
  }
}

// The first byte chooses what reads the rest.
void read_any(std::string_view bytes) {
  if (bytes.empty()) return;
  auto choice = static_cast<unsigned char>(bytes[0]);
  bytes.remove_prefix(1);
  switch (choice % 3) {
    case 0:
      return read_stream(bytes, 1);
    case 1:
      return read_stream(bytes, 2);
    default:
      return read_copy(bytes, 1 + choice / 3);
  }
}

}  // namespace
}  // namespace tidemark::postgres

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  tidemark::postgres::read_any({reinterpret_cast<const char*>(data), size});
  return 0;
}

#ifndef __clang__

namespace {

std::string mutated(const std::vector<std::string>& corpus, std::mt19937_64& random) {
  auto below = [&](size_t bound) { return bound == 0 ? size_t{0} : static_cast<size_t>(random() % bound); };
  std::string bytes = corpus[below(corpus.size())];
  static constexpr uint32_t odd_numbers[] = {0,      1,          0x7f,       0xff,      0x7fff,
                                             0xffff, 0x7fffffff, 0x80000000, 0xffffffff};
  for (size_t changes = 1 + below(6); changes > 0 && !bytes.empty(); --changes) {
    size_t at = below(bytes.size());
    switch (below(7)) {
      case 0:
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(8)));
        break;
      case 1:
        bytes[at] = static_cast<char>(random());
        break;
      case 2:  // a length, a count
        for (size_t width = below(2) == 0 ? 2 : 4, number = odd_numbers[below(std::size(odd_numbers))],
                    index = 0;
             index < width && at + index < bytes.size(); ++index)
          bytes[at + index] = static_cast<char>(number >> (8 * (width - 1 - index)));
        break;
      case 3:
        bytes.resize(at);
        break;
      case 4:
        bytes.erase(at, 1 + below(8));
        break;
      case 5:
        bytes.insert(at, bytes.substr(below(bytes.size()), 1 + below(64)));
        break;
      default: {
        const std::string& other = corpus[below(corpus.size())];
        size_t from = below(other.size());
        bytes = bytes.substr(0, at) + other.substr(from);
      }
    }
  }
  return bytes;
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) return std::fprintf(stderr, "usage: %s <corpus> [seconds] [seed]\n", arguments[0]), 2;
  std::vector<std::string> corpus;
  for (const auto& entry : std::filesystem::directory_iterator(arguments[1])) {
    std::ifstream file(entry.path(), std::ios::binary);
    corpus.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  if (corpus.empty()) return std::fprintf(stderr, "%s is empty\n", arguments[1]), 2;
  auto run = [](const std::string& bytes) {
    // The last input, for whoever looks at a crash.
    std::ofstream("fuzz_last_input", std::ios::binary) << bytes;
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  };
  for (const auto& bytes : corpus) run(bytes);
  double seconds = count > 2 ? std::atof(arguments[2]) : 10;
  uint64_t seed = count > 3 ? std::strtoull(arguments[3], nullptr, 10) : std::random_device{}();
  std::printf("seed %llu, %zu inputs, %.0f s\n", static_cast<unsigned long long>(seed), corpus.size(),
              seconds);
  std::mt19937_64 random(seed);
  auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  uint64_t inputs = 0;
  for (; std::chrono::steady_clock::now() < end; ++inputs) run(mutated(corpus, random));
  std::printf("%llu inputs, no fault\n", static_cast<unsigned long long>(inputs));
  std::filesystem::remove("fuzz_last_input");
}

#endif
