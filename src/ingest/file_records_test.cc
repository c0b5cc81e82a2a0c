#include "ingest/file_records.h"

#include "ingest/file_bytes.h"

#include <cstdlib>
#include <fstream>
#include <gmock/gmock.h>
#include <zstd.h>

namespace tidemark::ingest {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// What is read of a text, whatever pieces it comes in: the JSON of records, "!reason" of what is none.
std::vector<std::string> records(FileFormat format, const std::string& text,
                                 std::vector<std::string> nulls = {}) {
  std::vector<std::string> first;
  for (size_t size : {size_t{1}, size_t{3}, text.size() + 1}) {
    std::vector<std::string> found;
    auto splitter = RecordSplitter::make({.format = format, .nulls = nulls}, [&](const FileRecord& record) {
      EXPECT_EQ(record.number, found.size());
      found.emplace_back(record.json.empty() ? "!" + record.reason : std::string(record.json));
      return Status();
    });
    Status status;
    for (size_t at = 0; at < text.size() && status; at += size) status = splitter->put(text.substr(at, size));
    if (status) status = splitter->finish();
    if (!status) found.push_back("!!" + status.error().message);
    if (first.empty()) first = found;
    EXPECT_EQ(found, first) << size;
  }
  return first;
}

TEST(FileRecords, LinesOfJson) {
  EXPECT_THAT(records(FileFormat::ndjson, "{\"a\":1}\r\n\n  {\"b\":2} \n[1]\n{\"c\":3}"),
              ElementsAre("{\"a\":1}", "{\"b\":2}", "!the line is no JSON object", "{\"c\":3}"));
  EXPECT_THAT(records(FileFormat::ndjson, "\n\n"), IsEmpty());
}

TEST(FileRecords, DocumentsOfApis) {
  EXPECT_THAT(records(FileFormat::json, R"({ "orders": [ {"id": 1}, {"id": 2} ] })"),
              ElementsAre("{\"id\": 1}", "{\"id\": 2}"));
  EXPECT_THAT(records(FileFormat::json, R"({"order": {"id": 9223372036854775807}})"),
              ElementsAre("{\"id\": 9223372036854775807}"));
  EXPECT_THAT(records(FileFormat::json, R"([{"id":1}, 7, {"id":2}])"),
              ElementsAre("{\"id\":1}", "!it is no JSON object", "{\"id\":2}"));
  EXPECT_THAT(records(FileFormat::json, R"({"id":1,"lines":[{"n":1}]})"),
              ElementsAre(R"({"id":1,"lines":[{"n":1}]})"));
  EXPECT_THAT(records(FileFormat::json, R"({"tags":["a"]})"), ElementsAre(R"({"tags":["a"]})"));
  EXPECT_THAT(records(FileFormat::json, " \n"), IsEmpty());
  EXPECT_THAT(records(FileFormat::json, "{\"orders\": [").at(0), HasSubstr("!!the file is no JSON document"));
  EXPECT_THAT(records(FileFormat::json, "[{\"a\":1},").back(), HasSubstr("!!the file is no JSON document"));
}

TEST(FileRecords, SeparatedValues) {
  EXPECT_THAT(
      records(FileFormat::csv, "id, name,note\r\n1,\"a \"\"b\"\"\nc\",\r\n2,,\"\"\r\n"),
      ElementsAre(R"({"id":"1","name":"a \"b\"\nc","note":null})", R"({"id":"2","name":null,"note":""})"));
  EXPECT_THAT(records(FileFormat::csv, "a,b\n1\n1,2,3\n\"x\"y,2\n5,6"),
              ElementsAre("!1 fields instead of 2", "!3 fields instead of 2", "!text after a closed quote",
                          R"({"a":"5","b":"6"})"));
  EXPECT_THAT(records(FileFormat::csv, "a\n\"open\nx"), ElementsAre("!a quote is not closed"));
  EXPECT_THAT(records(FileFormat::csv, "a,b\nNaN,\"NaN\"\n", {"NaN"}),
              ElementsAre(R"({"a":null,"b":"NaN"})"));
  EXPECT_THAT(records(FileFormat::tsv, "a\tb\n1,5\t2\n"), ElementsAre(R"({"a":"1,5","b":"2"})"));
  EXPECT_THAT(records(FileFormat::csv, "a,a\n1,2\n"), ElementsAre("!!the first line names `a` twice"));
  EXPECT_THAT(records(FileFormat::csv, "a,b\n"), IsEmpty());
}

TEST(FileRecords, FormatsAreKnownByNames) {
  EXPECT_EQ(*format_of("Orders.NDJSON.gz"), FileFormat::ndjson);
  EXPECT_EQ(*format_of("a.json"), FileFormat::json);
  EXPECT_EQ(*format_of("a.csv.zst"), FileFormat::csv);
  EXPECT_EQ(*format_of("a.parquet"), FileFormat::parquet);
  EXPECT_THAT(format_of("a.txt").error().message, HasSubstr("a.txt"));
}

class FileBytes : public testing::Test {
 protected:
  FileBytes() {
    std::string pattern = (std::filesystem::temp_directory_path() / "tidemark-bytes-XXXXXX").string();
    root_ = mkdtemp(pattern.data());
  }
  ~FileBytes() override { std::filesystem::remove_all(root_); }
  std::filesystem::path write(const std::string& name, std::string_view bytes) {
    std::ofstream(root_ / name, std::ios::binary) << bytes;
    return root_ / name;
  }
  std::filesystem::path packed(const std::string& command) {
    EXPECT_EQ(std::system(("cd " + root_.string() + " && " + command).c_str()), 0);
    return root_ / "out";
  }
  static std::string read(const std::filesystem::path& file) {
    std::string bytes;
    Status status = each_piece(file, [&](std::string_view piece) {
      bytes += piece;
      return Status();
    });
    return status ? bytes : "!" + status.error().message;
  }
  std::filesystem::path root_;
};

TEST_F(FileBytes, AreUnpackedByWhatTheyAre) {
  std::string text(3 << 20, 'x');
  for (size_t at = 0; at < text.size(); at += 7) text[at] = static_cast<char>('a' + at % 23);
  auto plain = write("in", text);
  EXPECT_EQ(read(plain), text);
  EXPECT_EQ(read(packed("gzip -c in > out")), text);
  EXPECT_EQ(read(packed("gzip -c in > out && gzip -c in >> out")), text + text);
  EXPECT_EQ(read(packed("head -c 100000 in > half && gzip -c half > out && head -c 100 out > o && mv o out")),
            "!" + (root_ / "out").string() + " is damaged: it ends in the middle");
  EXPECT_THAT(read(write("bad", std::string("\x1f\x8b\x08") + std::string(100, '\xff'))),
              HasSubstr("is damaged"));
  EXPECT_THAT(read(write("bad", "\x28\xb5\x2f\xfd" + std::string(100, '\xff'))), HasSubstr("is damaged"));
}

TEST_F(FileBytes, LoseTheirMark) {
  EXPECT_EQ(read(write("a", "\xef\xbb\xbf{}")), "{}");
  EXPECT_EQ(read(write("a", "\xef\xbb")), "\xef\xbb");
  EXPECT_EQ(read(write("a", "")), "");
  EXPECT_EQ(read(write("a", std::string("\xff\xfe{\0}\0", 6))), "!the file is UTF-16");
  EXPECT_THAT(read(root_ / "missing"), HasSubstr("cannot be read"));
  EXPECT_THAT(read(root_), HasSubstr("is a directory"));
}

TEST_F(FileBytes, AreOneFileUnderEveryName) {
  auto one = write("one", "abc"), other = write("other", "abc"), third = write("third", "abd");
  EXPECT_EQ(*file_identity(one), *file_identity(other));
  EXPECT_NE(*file_identity(one), *file_identity(third));
  EXPECT_EQ(file_identity(one)->size(), 32U);
}

}  // namespace
}  // namespace tidemark::ingest
