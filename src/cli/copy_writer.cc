#include "cli/copy_writer.h"

#include "base/invariant.h"

#include <libpq-fe.h>
#include <memory>
#include <string_view>

namespace tidemark::cli {

namespace {

constexpr size_t piece_bytes = 256 << 10;
constexpr int64_t postgres_epoch_micros = 946'684'800'000'000;  // 2000-01-01 in Unix time
constexpr int64_t postgres_epoch_days = 10'957;
constexpr std::string_view header("PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0", 19);  // signature, flags, extension

using OwnedResult = std::unique_ptr<PGresult, decltype(&PQclear)>;

}  // namespace

CopyWriter::~CopyWriter() {
  if (!copying_) return;
  PQputCopyEnd(connection_.handle(), "the writer gave up");
  while (PGresult* result = PQgetResult(connection_.handle())) PQclear(result);
}

Status CopyWriter::begin(const std::string& copy_statement) {
  OwnedResult result(PQexec(connection_.handle(), copy_statement.c_str()), PQclear);
  if (PQresultStatus(result.get()) != PGRES_COPY_IN)
    return fail(postgres::server_error(connection_.handle(), result.get()));
  copying_ = true;
  buffer_.clear();
  buffer_.append(header);
  return {};
}

template <class Integer>
void CopyWriter::big_endian(Integer value) {
  char* place = buffer_.extend(sizeof(value));
  for (size_t index = 0; index < sizeof(value); ++index)
    place[index] = static_cast<char>(value >> (8 * (sizeof(value) - 1 - index)));
}

void CopyWriter::row(int16_t fields) {
  big_endian(fields);
}

void CopyWriter::int4(int32_t value) {
  big_endian(static_cast<int32_t>(sizeof(value)));
  big_endian(value);
}

void CopyWriter::int8(int64_t value) {
  big_endian(static_cast<int32_t>(sizeof(value)));
  big_endian(value);
}

void CopyWriter::boolean(bool value) {
  big_endian(static_cast<int32_t>(1));
  *buffer_.extend(1) = value ? 1 : 0;
}

void CopyWriter::text(std::string_view value) {
  big_endian(static_cast<int32_t>(value.size()));
  buffer_.append(value);
}

void CopyWriter::uuid(const std::array<uint8_t, 16>& value) {
  big_endian(static_cast<int32_t>(value.size()));
  buffer_.append(value.data(), value.size());
}

void CopyWriter::date(int64_t days_since_1970) {
  int4(static_cast<int32_t>(days_since_1970 - postgres_epoch_days));
}

// Postgres keeps groups of four decimal digits, aligned at the decimal point: 1234567.8 is 123 4567 . 8000.
void CopyWriter::numeric(int64_t unscaled, int scale) {
  INVARIANT(scale >= 0 && scale <= 8);
  bool negative = unscaled < 0;
  uint64_t rest = negative ? 0 - static_cast<uint64_t>(unscaled) : static_cast<uint64_t>(unscaled);
  uint64_t whole_unit = 1;
  for (int digit = 0; digit < scale; ++digit) whole_unit *= 10;
  uint64_t whole = rest / whole_unit;
  uint64_t fraction = rest % whole_unit;
  int fraction_groups = (scale + 3) / 4;
  for (int digit = scale; digit < fraction_groups * 4; ++digit) fraction *= 10;
  std::array<int16_t, 8> groups{};  // the last first
  size_t count = 0;
  for (int group = 0; group < fraction_groups; ++group, fraction /= 10'000)
    groups[count++] = static_cast<int16_t>(fraction % 10'000);
  for (; whole > 0; whole /= 10'000) groups[count++] = static_cast<int16_t>(whole % 10'000);
  big_endian(static_cast<int32_t>(8 + 2 * count));
  big_endian(static_cast<int16_t>(count));
  big_endian(static_cast<int16_t>(static_cast<int>(count) - fraction_groups - 1));
  big_endian(static_cast<int16_t>(negative ? 0x4000 : 0));
  big_endian(static_cast<int16_t>(scale));
  while (count > 0) big_endian(groups[--count]);
}

void CopyWriter::timestamp(int64_t unix_micros) {
  int8(unix_micros - postgres_epoch_micros);
}

Status CopyWriter::flush_full() {
  if (buffer_.size() < piece_bytes) return {};
  return send();
}

Status CopyWriter::send() {
  if (PQputCopyData(connection_.handle(), buffer_.data(), static_cast<int>(buffer_.size())) != 1)
    return fail(postgres::server_error(connection_.handle(), nullptr));
  buffer_.clear();
  return {};
}

Status CopyWriter::end() {
  big_endian(static_cast<int16_t>(-1));
  TRY_VOID(send());
  copying_ = false;
  if (PQputCopyEnd(connection_.handle(), nullptr) != 1)
    return fail(postgres::server_error(connection_.handle(), nullptr));
  OwnedResult result(PQgetResult(connection_.handle()), PQclear);
  Status outcome;
  if (PQresultStatus(result.get()) != PGRES_COMMAND_OK)
    outcome = fail(postgres::server_error(connection_.handle(), result.get()));
  while (PGresult* rest = PQgetResult(connection_.handle())) PQclear(rest);
  return outcome;
}

}  // namespace tidemark::cli
