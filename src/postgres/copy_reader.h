// Reads COPY ... TO STDOUT (FORMAT binary) (PostgreSQL documentation, "COPY", "Binary Format") as it arrives,
// in pieces cut anywhere, into a Block.
//
// A row that cannot be converted is skipped and handed to `on_error` with its raw bytes; the copy goes on.
// Broken framing is ErrorKind::corrupt and ends it. Threads: one a reader.
#pragma once

#include "postgres/table_decoder.h"

#include <functional>

namespace tidemark::postgres {

// The statement whose output a CopyBinaryReader with a TableDecoder of `table` reads: columns in the table's
// order, those without a binary decoder printed as text. `condition` is a WHERE clause without the word
// ("ctid >= ..."), beside the table's own. Reads the table itself (not its inheritance children); a
// partitioned table is read whole.
std::string copy_statement(const SourceTable& table, const std::string& condition = {});

class CopyBinaryReader {
 public:
  struct Failure {
    uint64_t row;  // number in this copy, from 0
    const RowError& error;
    std::string explanation;  // TableDecoder::error_text()
    std::string_view raw;     // the tuple as it came, from its field count on
  };
  explicit CopyBinaryReader(std::function<void(const Failure&)> on_error = {})
      : on_error_(std::move(on_error)) {}

  // Takes a piece; returns the rows appended to `out`. Errors: corrupt; refused when a row fails to convert
  // and there is no on_error.
  Result<size_t> feed(const char* data, size_t length, TableDecoder& decoder, Block& out);
  // The trailer was seen. Check it at the end of the copy: without it rows are missing.
  bool finished() const { return finished_; }
  uint64_t rows() const { return rows_; }  // seen, good and bad
  uint64_t failed_rows() const { return failed_; }

 private:
  // Consumes whole tuples from [data, end); what is left is the start of a tuple that is not complete yet.
  Result<const char*> consume(const char* data, const char* end, TableDecoder& decoder, Block& out,
                              size_t& appended);
  Status report(const char* begin, const char* end, TableDecoder& decoder);

  std::function<void(const Failure&)> on_error_;
  std::string pending_;
  bool header_read_ = false;
  bool finished_ = false;
  uint64_t rows_ = 0;
  uint64_t failed_ = 0;
};

}  // namespace tidemark::postgres
