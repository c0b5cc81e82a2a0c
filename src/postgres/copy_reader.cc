#include "postgres/copy_reader.h"

#include "base/limits.h"
#include "postgres/big_endian.h"

#include <fmt/format.h>

namespace tidemark::postgres {
namespace {

constexpr std::string_view signature("PGCOPY\n\xff\r\n\0", 11);
constexpr size_t header_bytes_min = signature.size() + 4 + 4;  // signature, flags, length of extension

tl::unexpected<Error> corrupt(std::string what) {
  return fail(ErrorKind::corrupt, "the copy from Postgres is broken: " + std::move(what),
              "copy the table again");
}

}  // namespace

std::string copy_statement(const SourceTable& table, const std::string& condition) {
  std::string columns;
  for (const auto& column : table.columns) {
    if (!columns.empty()) columns += ", ";
    std::string name = quote_identifier(column.name);
    // format() prints by the type's output function, like the stream; a cast to text differs for some types.
    // num_nulls, because a composite of NULLs is not NULL though IS NULL says so.
    if (make_decoder(column).requires_text())
      columns +=
          fmt::format("CASE WHEN pg_catalog.num_nulls({0}) = 0 THEN pg_catalog.format('%s', {0}) END", name);
    else
      columns += name;
  }
  return fmt::format("COPY (SELECT {} FROM {}{}{}) TO STDOUT (FORMAT binary)", columns,
                     table.kind == 'p' ? "" : "ONLY ", table.quoted(), where_clause(table, condition));
}

Result<size_t> CopyBinaryReader::feed(const char* data, size_t length, TableDecoder& decoder, Block& out) {
  size_t appended = 0;
  if (pending_.empty()) {
    const char* rest = TRY(consume(data, data + length, decoder, out, appended));
    pending_.assign(rest, static_cast<size_t>(data + length - rest));
  } else {
    pending_.append(data, length);
    const char* rest =
        TRY(consume(pending_.data(), pending_.data() + pending_.size(), decoder, out, appended));
    pending_.erase(0, static_cast<size_t>(rest - pending_.data()));
  }
  if (pending_.size() > limits::postgres_message_bytes_max)
    return corrupt("a row larger than Postgres allows");
  return appended;
}

Result<const char*> CopyBinaryReader::consume(const char* data, const char* end, TableDecoder& decoder,
                                              Block& out, size_t& appended) {
  if (!header_read_) {
    if (static_cast<size_t>(end - data) < header_bytes_min) return data;
    if (std::string_view(data, signature.size()) != signature) return corrupt("it does not start as one");
    uint32_t flags = read_u32(data + signature.size());
    uint32_t extension = read_u32(data + signature.size() + 4);
    if ((flags & 0xffff0000U) != 0) return corrupt("its header has critical flags that are not known here");
    if (extension > limits::postgres_message_bytes_max) return corrupt("its header extension is too long");
    if (static_cast<size_t>(end - data) < header_bytes_min + extension) return data;
    data += header_bytes_min + extension;
    header_read_ = true;
  }
  size_t columns = decoder.table().columns.size();
  while (end - data >= 2) {
    if (finished_) return corrupt("there are bytes after its end");
    const char* tuple = data;
    int16_t fields = read_i16(data);
    if (fields == -1) {
      finished_ = true;
      data += 2;
      continue;
    }
    if (fields < 0 || static_cast<size_t>(fields) != columns)
      return corrupt(
          fmt::format("a row has {} columns where {} has {}", fields, decoder.table().display(), columns));
    // The whole tuple must be here before a column is touched: first its extent, then its values.
    const char* position = data + 2;
    bool whole = true;
    for (size_t index = 0; index < columns; ++index) {
      if (end - position < 4) {
        whole = false;
        break;
      }
      int32_t length = read_i32(position);
      position += 4;
      if (length < -1) return corrupt("a value has a negative length");
      if (length == -1) continue;
      if (end - position < length) {
        whole = false;
        break;
      }
      position += length;
    }
    if (!whole) break;
    data += 2;
    bool good = true;
    for (size_t index = 0; index < columns; ++index) {
      int32_t length = read_i32(data);
      data += 4;
      if (!decoder.append_copy_field(index, data, length, out)) {
        decoder.take_back(index, out);
        good = false;
        break;
      }
      if (length > 0) data += length;
    }
    data = position;
    if (good) {
      ++appended;
    } else {
      TRY_VOID(report(tuple, position, decoder));
    }
    ++rows_;
  }
  return data;
}

Status CopyBinaryReader::report(const char* begin, const char* end, TableDecoder& decoder) {
  ++failed_;
  if (!on_error_)
    return fail(ErrorKind::refused, fmt::format("row {} of the copy: {}", rows_, decoder.error_text()),
                "correct the value at the source");
  on_error_(Failure{rows_, decoder.error(), decoder.error_text(), {begin, static_cast<size_t>(end - begin)}});
  return {};
}

}  // namespace tidemark::postgres
