#include "cli/copy_writer.h"

#include <libpq-fe.h>
#include <memory>
#include <string_view>

namespace tidemark::cli {

namespace {

constexpr size_t piece_bytes = 256 << 10;
constexpr int64_t postgres_epoch_micros = 946'684'800'000'000;                // 2000-01-01 in Unix time
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
