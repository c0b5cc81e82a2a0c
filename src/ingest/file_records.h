// The records of a file, each as one JSON object:
//
//   ndjson   an object a line; empty lines are passed over
//   json     one document: an array of objects, an object, or an object with one member that is one of these
//            ({"orders": [...]}), as APIs answer
//   csv, tsv the first line names the fields (RFC 4180: quotes, doubled quotes, line ends inside quotes). An
//            empty field is null without quotes and "" with them
//
// What is no record comes too, with the reason why. Records are numbered from 0, the same each time the file
// is read. Memory: the largest record; of json the document. One thread.
#pragma once

#include "base/error.h"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace tidemark::ingest {

enum class FileFormat : uint8_t { ndjson, json, csv, tsv, parquet };
// By its name: "orders.ndjson.gz". Errors: config, naming the formats.
Result<FileFormat> format_of(const std::string& file_name);

struct FileRecord {
  uint64_t number = 0;
  std::string_view json;   // an object; empty: it is no record
  std::string_view bytes;  // as it stands in the file
  std::string reason;      // why it is no record
};

struct RecordOptions {
  FileFormat format = FileFormat::ndjson;
  std::vector<std::string> nulls;  // fields of csv that are null, too: "NaN"
};

// Takes the bytes of a file in pieces.
class RecordSplitter {
 public:
  using Take = std::function<Status(const FileRecord&)>;
  static std::unique_ptr<RecordSplitter> make(RecordOptions options, Take take);
  virtual ~RecordSplitter() = default;
  virtual Status put(std::string_view piece) = 0;
  virtual Status finish() = 0;
};

}  // namespace tidemark::ingest
