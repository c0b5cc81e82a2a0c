#include "clickhouse/client.h"

#include "clickhouse/client_pool.h"
#include "clickhouse/test_server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <thread>

namespace tidemark::clickhouse {
namespace {

#define ASSERT_OK(...)                                    \
  do {                                                    \
    auto&& outcome_ = (__VA_ARGS__);                      \
    ASSERT_TRUE(outcome_) << outcome_.error().describe(); \
  } while (false)

// Accepts one connection, reads until `after_bytes` came, says `answer`, closes.
class RudeServer {
 public:
  explicit RudeServer(std::string answer, size_t after_bytes = 1) : answer_(std::move(answer)) {
    listener_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), length), 0);
    EXPECT_EQ(listen(listener_, 1), 0);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length);
    endpoint.port = ntohs(address.sin_port);
    thread_ = std::thread([this, after_bytes] {
      int connection = accept(listener_, nullptr, nullptr);
      char buffer[4096];
      size_t got = 0;
      while (got < after_bytes) {
        ssize_t read = recv(connection, buffer, sizeof buffer, 0);
        if (read <= 0) break;
        got += static_cast<size_t>(read);
      }
      if (!answer_.empty()) send(connection, answer_.data(), answer_.size(), 0);
      close(connection);
    });
  }
  ~RudeServer() {
    shutdown(listener_, SHUT_RDWR);
    close(listener_);
    thread_.join();
  }
  Endpoint endpoint;

 private:
  std::string answer_;
  int listener_;
  std::thread thread_;
};

TEST(Client, ReadsEveryKindOfColumn) {
  Client client = TestServer::shared().client();
  auto block = client.query(
      "SELECT true AS a, toInt128(-5) AS b, toUInt256(7) AS c, 1.5::Float32 AS d, toDecimal256('1.23', 2) AS "
      "e, "
      "CAST('x', 'LowCardinality(String)') AS f, CAST(NULL, 'LowCardinality(Nullable(String))') AS g, "
      "CAST('y', 'Enum8(\\'x\\' = 1, \\'y\\' = -2)') AS h, CAST(NULL, 'Nullable(FixedString(3))') AS i, "
      "toFixedString('ab', 3) AS j, [toLowCardinality('p'), 'q', 'p'] AS k, [[1, 2], "
      "[]]::Array(Array(Int32)) AS l, "
      "'{\"a\":1}'::JSON AS m, toDate32('1900-01-01') AS n, toDateTime64('2026-01-02 03:04:05.678901', 6, "
      "'UTC') AS o, "
      "toUUID('00112233-4455-6677-8899-aabbccddeeff') AS p, [NULL, 'z'] AS q, ''::String AS r, "
      "CAST(5, 'LowCardinality(UInt32)') AS s SETTINGS allow_suspicious_low_cardinality_types = 1");
  ASSERT_TRUE(block) << block.error().describe();
  ASSERT_EQ(block->rows(), 1U);
  auto text = [&](const char* name) { return std::string(block->find(name)->text(0)); };
  EXPECT_EQ(block->find("a")->type().kind, TypeKind::boolean);
  EXPECT_EQ(block->find("a")->get<uint8_t>(0), 1);
  EXPECT_TRUE(block->find("b")->get<__int128>(0) == -5);
  EXPECT_EQ(block->find("d")->get<float>(0), 1.5F);
  EXPECT_EQ(block->find("e")->type().name(), "Decimal(76, 2)");
  EXPECT_EQ(block->find("e")->get<int64_t>(0), 123);
  EXPECT_EQ(text("f"), "x");
  EXPECT_TRUE(block->find("g")->is_null(0));
  EXPECT_EQ(text("h"), "y");
  EXPECT_TRUE(block->find("i")->is_null(0));
  EXPECT_EQ(text("j"), std::string("ab\0", 3));
  const Column& k = *block->find("k");
  ASSERT_EQ(k.array_end(0), 3U);
  EXPECT_EQ(k.element().text(0), "p");
  EXPECT_EQ(k.element().text(1), "q");
  EXPECT_EQ(k.element().text(2), "p");
  EXPECT_EQ(block->find("l")->element().array_end(0), 2U);
  EXPECT_EQ(text("m"), "{\"a\":1}");
  EXPECT_EQ(block->find("n")->get<int32_t>(0), -25567);
  EXPECT_EQ(block->find("o")->get<int64_t>(0), 1767323045678901);
  EXPECT_TRUE(block->find("q")->element().is_null(0));
  EXPECT_EQ(block->find("s")->get<uint32_t>(0), 5U);
}

TEST(Client, EmptyResultsKeepTheirColumns) {
  auto block = TestServer::shared().client().query("SELECT 1 AS one, 'a' AS two WHERE 0");
  ASSERT_TRUE(block) << block.error().describe();
  EXPECT_EQ(block->rows(), 0U);
  EXPECT_EQ(block->names, (std::vector<std::string>{"one", "two"}));
}

TEST(Client, ManyBlocksBecomeOne) {
  Client client = TestServer::shared().client();
  auto block = client.query("SELECT number, toString(number) AS text FROM numbers(300000)");
  ASSERT_TRUE(block) << block.error().describe();
  ASSERT_EQ(block->rows(), 300000U);
  EXPECT_EQ(block->columns[1].text(299999), "299999");
  size_t rows = 0;
  ASSERT_OK(client.query_blocks("SELECT number FROM numbers(300000)", {}, [&](const Block& piece) {
    rows += piece.rows();
    return Status();
  }));
  EXPECT_EQ(rows, 300000U);
}

TEST(Client, ACallbackCanStopAQuery) {
  Client client = TestServer::shared().client();
  auto outcome = client.query_blocks("SELECT number FROM system.numbers", {}, [](const Block&) -> Status {
    return fail(ErrorKind::cancelled, "enough");
  });
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().kind, ErrorKind::cancelled);
  EXPECT_TRUE(client.query("SELECT 1"));
}

TEST(Client, ParametersCarryAnyText) {
  Client client = TestServer::shared().client();
  QueryOptions options;
  std::string strange = "tab\there\nnewline\\ 'quote' \"x\" & = % \xd0\x96 \r end";
  options.parameters["text"] = strange;
  options.raw_parameters["list"] = array_parameter({"it's", "back\\slash", "tab\t", strange});
  options.raw_parameters["nothing"] = "\\N";
  auto block = client.query(
      "SELECT {text:String} AS text, {list:Array(String)} AS list, {nothing:Nullable(String)} AS nothing",
      options);
  ASSERT_TRUE(block) << block.error().describe();
  EXPECT_EQ(block->columns[0].text(0), strange);
  ASSERT_EQ(block->columns[1].array_end(0), 4U);
  EXPECT_EQ(block->columns[1].element().text(0), "it's");
  EXPECT_EQ(block->columns[1].element().text(1), "back\\slash");
  EXPECT_EQ(block->columns[1].element().text(2), "tab\t");
  EXPECT_EQ(block->columns[1].element().text(3), strange);
  EXPECT_TRUE(block->columns[2].is_null(0));
}

TEST(Client, AListOf50000KeysFitsIntoAParameter) {
  std::vector<std::string> keys = {"it's", "back\\slash", "tab\t", "a'\\'b", "{keys:Array(String)}"};
  while (keys.size() < 50'000) keys.push_back(fmt::format("customer-{:08}", keys.size()));
  QueryOptions options;
  options.raw_parameters["keys"] = array_parameter(keys);
  options.raw_parameters["few"] = array_parameter({"it's"});
  options.parameters["long"] = std::string(100'000, '\'') + "\\";
  auto block = TestServer::shared().client().query(
      "SELECT length({keys:Array(String)}), arraySlice({keys:Array(String)}, 1, 5), {few:Array(String)}, "
      "{long:String}",
      options);
  ASSERT_TRUE(block) << block.error().describe();
  EXPECT_EQ(block->columns[0].get<uint64_t>(0), 50'000U);
  for (size_t index = 0; index < 5; ++index) EXPECT_EQ(block->columns[1].element().text(index), keys[index]);
  EXPECT_EQ(block->columns[2].element().text(0), "it's");
  EXPECT_EQ(block->columns[3].text(0), options.parameters["long"]);
}

TEST(Client, InsertsABlockAndReadsItBack) {
  TestServer& server = TestServer::shared();
  Client client = server.client();
  std::string table = quote_table(server.database(), "strange `name` \\ \xd1\x84");
  ASSERT_OK(client.execute(fmt::format(
      "CREATE TABLE {} (id Int64, `a``b` Nullable(String), tags Array(LowCardinality(String)), "
      "document JSON, kind Enum8('x' = 1), at DateTime64(6, 'UTC')) ENGINE = MergeTree ORDER BY id",
      table)));
  Block block;
  block.add("id", ColumnType::of(TypeKind::int64));
  block.add("a`b", ColumnType::of(TypeKind::string).as_nullable());
  block.add("tags", ColumnType::array_of(ColumnType::of(TypeKind::string)));
  block.add("document", ColumnType::of(TypeKind::json));
  block.add("kind", ColumnType::of(TypeKind::string));
  block.add("at", ColumnType::datetime64(6, "UTC"));
  for (int64_t row = 0; row < 10; ++row) {
    block.columns[0].append(row);
    block.columns[1].append_null();
    block.columns[2].element().append_text("t");
    block.columns[2].close_array();
    block.columns[3].append_text("{\"n\":" + std::to_string(row) + "}");
    block.columns[4].append_text("x");
    block.columns[5].append(row);
  }
  ASSERT_OK(client.insert(table, block));
  auto read = client.query(fmt::format("SELECT * FROM {} ORDER BY id", table));
  ASSERT_TRUE(read) << read.error().describe();
  ASSERT_EQ(read->rows(), 10U);
  EXPECT_EQ(read->find("document")->text(9), "{\"n\":9}");
  EXPECT_EQ(read->find("kind")->text(9), "x");
  EXPECT_EQ(read->find("at")->get<int64_t>(9), 9);
}

TEST(Client, AnExceptionInTheMiddleOfAnAnswerIsNeverAResult) {
  Client client = TestServer::shared().client();
  const std::string sql = "SELECT throwIf(number = 1000000) AS x FROM system.numbers LIMIT 2000000";
  auto block = client.query(sql);
  ASSERT_FALSE(block);
  EXPECT_EQ(block.error().kind, ErrorKind::refused);
  EXPECT_NE(block.error().message.find("395"), std::string::npos) << block.error().message;
  auto blocks = client.query_blocks(sql, {}, [](const Block&) { return Status(); });
  ASSERT_FALSE(blocks);
  EXPECT_EQ(blocks.error().kind, ErrorKind::refused);
  for (const char* format :
       {"TSV", "JSON", "JSONEachRow", "CSV", "Native", "RowBinary", "JSONCompact", "Parquet"}) {
    auto text = client.query_text(sql + " FORMAT " + format);
    ASSERT_FALSE(text) << format;
    EXPECT_EQ(text.error().kind, ErrorKind::refused) << format << ": " << text.error().message;
  }
  EXPECT_TRUE(client.query("SELECT 1"));
}

TEST(Client, ErrorsSayWhatTheServerSaid) {
  auto block = TestServer::shared().client().query("SELECT foo");
  ASSERT_FALSE(block);
  EXPECT_EQ(block.error().kind, ErrorKind::refused);
  EXPECT_EQ(block.error().message.rfind("ClickHouse error 47 UNKNOWN_IDENTIFIER: ", 0), 0U)
      << block.error().message;
  EXPECT_EQ(block.error().message.find("version"), std::string::npos);
}

TEST(Client, AWrongPasswordIsRefusedAndNotRepeated) {
  Endpoint endpoint = TestServer::shared().endpoint();
  endpoint.password = Secret("not-this-one");
  auto outcome = Client(endpoint).query("SELECT 1");
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().kind, ErrorKind::refused);
  EXPECT_EQ(outcome.error().describe().find("not-this-one"), std::string::npos);
}

TEST(Client, UnsupportedTypesNameTheColumn) {
  auto block = TestServer::shared().client().query("SELECT 1 AS fine, map('a', 1) AS odd");
  ASSERT_FALSE(block);
  EXPECT_EQ(block.error().kind, ErrorKind::unsupported);
  EXPECT_NE(block.error().describe().find("column odd"), std::string::npos) << block.error().describe();
}

TEST(Client, NobodyThereMeansNothingHappened) {
  Endpoint endpoint;
  {
    RudeServer gone("");
    endpoint = gone.endpoint;
    Client(endpoint).ping(std::chrono::milliseconds(1000));
  }
  auto outcome = Client(endpoint).execute("SELECT 1");
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().kind, ErrorKind::dependency_down);
}

TEST(Client, AConnectionLostAfterTheBodyIsAnUnknownOutcome) {
  RudeServer server("");
  auto outcome = Client(server.endpoint).execute("INSERT INTO t SELECT 1");
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().kind, ErrorKind::unknown_outcome) << outcome.error().describe();
}

TEST(Client, AnAnswerCutShortIsAnUnknownOutcome) {
  for (const char* answer :
       {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n1\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n1\n", "HTTP/1.1 200 OK\r\nContent-"}) {
    RudeServer server(answer);
    auto outcome = Client(server.endpoint).query_text("SELECT 1");
    ASSERT_FALSE(outcome) << answer;
    EXPECT_EQ(outcome.error().kind, ErrorKind::unknown_outcome) << outcome.error().describe();
  }
}

TEST(Client, TimeIsBounded) {
  Client client = TestServer::shared().client();
  QueryOptions options;
  options.timeout = std::chrono::milliseconds(200);
  auto outcome = client.execute("SELECT sleep(3) FORMAT Null", options);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().kind, ErrorKind::unknown_outcome);
  EXPECT_TRUE(client.query("SELECT 1"));
}

TEST(Endpoint, ParsesUrlsAndKeepsPasswordsOutOfMessages) {
  auto endpoint = Endpoint::parse("https://me:secret@db.example:9440/shop", "", Secret());
  ASSERT_TRUE(endpoint) << endpoint.error().describe();
  EXPECT_EQ(endpoint->base_url(), "https://db.example:9440");
  EXPECT_EQ(endpoint->user, "me");
  EXPECT_EQ(endpoint->password.reveal(), "secret");
  EXPECT_EQ(endpoint->database, "shop");
  EXPECT_EQ(Endpoint::parse("http://[::1]", "", Secret())->base_url(), "http://[::1]:8123");
  for (const char* bad : {"tcp://me:secret@host:9000", "http://me:secret@ho st", "http://h/a/b", ""}) {
    auto wrong = Endpoint::parse(bad, "", Secret());
    ASSERT_FALSE(wrong) << bad;
    EXPECT_EQ(wrong.error().kind, ErrorKind::config);
    EXPECT_EQ(wrong.error().describe().find("secret"), std::string::npos);
  }
}

TEST(ClientPool, LendsNoMoreThanItsSize) {
  ClientPool pool(TestServer::shared().endpoint(), 2);
  std::atomic<int> lent{0};
  std::atomic<int> most{0};
  std::vector<std::thread> threads;
  for (int number = 0; number < 8; ++number)
    threads.emplace_back([&] {
      for (int round = 0; round < 20; ++round) {
        auto client = pool.lease();
        int now = ++lent;
        for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
        }
        EXPECT_TRUE(client->query("SELECT 1"));
        --lent;
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_LE(most, 2);
}

TEST(Schema, ListsColumnsAndQuotesNames) {
  TestServer& server = TestServer::shared();
  Client client = server.client();
  std::string database = server.database();
  std::string odd = "a`b\\c \xd0\xb6 ?";
  ASSERT_OK(client.execute(fmt::format("CREATE TABLE {} ({} Int32 DEFAULT 5 COMMENT {}) ENGINE = Memory",
                                       quote_table(database, odd), quote_identifier(odd),
                                       quote_string("it's \\ fine"))));
  EXPECT_TRUE(*table_exists(client, database, odd));
  EXPECT_FALSE(*table_exists(client, database, "other"));
  EXPECT_FALSE(*database_exists(client, "nowhere"));
  auto columns = table_columns(client, database, odd);
  ASSERT_TRUE(columns) << columns.error().describe();
  ASSERT_EQ(columns->size(), 1U);
  EXPECT_EQ(columns->at(0).name, odd);
  EXPECT_EQ(columns->at(0).type, "Int32");
  EXPECT_EQ(columns->at(0).default_kind, "DEFAULT");
  EXPECT_EQ(columns->at(0).comment, "it's \\ fine");
  auto described = describe_select(client, "SELECT 1 AS a, 'x' AS b");
  ASSERT_TRUE(described) << described.error().describe();
  EXPECT_EQ(described->at(1).type, "String");
}

}  // namespace
}  // namespace tidemark::clickhouse
