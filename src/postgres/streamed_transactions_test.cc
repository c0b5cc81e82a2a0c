// Transactions that arrive while they run: what is handed on at their commit, on bytes made here and against
// what a real server sends of the same transactions with protocol version 1.
#include "postgres/streamed_transactions.h"

#include "postgres/big_endian.h"
#include "postgres/replication_setup.h"
#include "postgres/replication_stream.h"
#include "postgres/slot_peek.h"
#include "postgres/test_cluster.h"

#include <gtest/gtest.h>
#include <random>

namespace tidemark::postgres {
namespace {

std::string big(uint64_t value, int width) {
  std::string out;
  for (int shift = width * 8 - 8; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift);
  return out;
}

std::string insert_of(uint32_t oid, const std::string& text, uint32_t xid = 0) {
  return "I" + (xid != 0 ? big(xid, 4) : "") + big(oid, 4) + "N" + big(1, 2) + "t" + big(text.size(), 4) +
         text;
}
std::string relation_of(uint32_t oid, const std::string& column, uint32_t xid = 0) {
  return "R" + (xid != 0 ? big(xid, 4) : "") + big(oid, 4) + "public" + '\0' + "t" + '\0' + "d" + big(1, 2) +
         '\1' + column + '\0' + big(25, 4) + big(0xffffffff, 4);
}
std::string start_of(uint32_t xid, bool first) {
  return "S" + big(xid, 4) + (first ? '\1' : '\0');
}
std::string stream_commit_of(uint32_t xid, Lsn lsn) {
  return "c" + big(xid, 4) + '\0' + big(lsn, 8) + big(lsn + 1, 8) + big(77, 8);
}
std::string abort_of(uint32_t xid, uint32_t subtransaction) {
  return "A" + big(xid, 4) + big(subtransaction, 4);
}
std::string begin_of(uint32_t xid, Lsn lsn) {
  return "B" + big(lsn, 8) + big(77, 8) + big(xid, 4);
}
std::string commit_of(Lsn lsn) {
  return std::string("C") + '\0' + big(lsn, 8) + big(lsn + 1, 8) + big(77, 8);
}

// A stream of version 2, and what comes out of it.
class Stream {
 public:
  explicit Stream(size_t memory_bytes_max = 1 << 20, uint64_t disk_bytes_max = uint64_t{1} << 30)
      : transactions({.directory = std::string(TIDEMARK_BINARY_DIR) + "/streamed",
                      .memory_bytes_max = memory_bytes_max,
                      .disk_bytes_max = disk_bytes_max}) {}
  Status send(const std::string& payload) {
    const Message* message = TRY(decoder_.decode(payload));
    if (transactions.passes(*message)) {
      out.push_back(payload);
      return {};
    }
    return transactions.take(++lsn_, *message, payload,
                             [&](Lsn, const Message& handed_on, std::string_view bytes) -> Status {
                               EXPECT_EQ(handed_on.xid, bytes[0] == 'B' ? handed_on.xid : 0U);
                               out.emplace_back(bytes);
                               return {};
                             });
  }
  void sent(const std::string& payload) {
    Status status = send(payload);
    EXPECT_TRUE(status) << status.error().describe();
  }

  std::vector<std::string> out;
  StreamedTransactions transactions;

 private:
  PgoutputDecoder decoder_{2};
  Lsn lsn_ = 0;
};

TEST(StreamedTransactions, InterleavedOnesComeOutWholeInTheOrderOfTheirCommits) {
  for (size_t memory : {size_t{1} << 20, size_t{0}}) {
    SCOPED_TRACE(memory);
    Stream stream(memory);
    for (const auto& payload :
         {start_of(10, true), relation_of(5, "a", 10), insert_of(5, "one", 10), std::string("E"),
          start_of(20, true), relation_of(5, "a", 20), insert_of(5, "two", 20), std::string("E"),
          begin_of(30, 50), relation_of(5, "a"), insert_of(5, "small"), commit_of(50),  //
          start_of(10, false), insert_of(5, "three", 11), insert_of(5, "last at the stop", 10),
          std::string("E"), stream_commit_of(20, 60), stream_commit_of(10, 70)})
      stream.sent(payload);
    EXPECT_EQ(stream.out,
              (std::vector<std::string>{
                  begin_of(30, 50), relation_of(5, "a"), insert_of(5, "small"), commit_of(50),  //
                  begin_of(20, 60), insert_of(5, "two"), commit_of(60), begin_of(10, 70), insert_of(5, "one"),
                  insert_of(5, "three"), insert_of(5, "last at the stop"), commit_of(70)}));
    EXPECT_EQ(stream.transactions.transactions(), 0U);
    EXPECT_EQ(stream.transactions.memory_bytes() + stream.transactions.disk_bytes(), 0U);
  }
}

TEST(StreamedTransactions, WhatWasRolledBackIsLeftOut) {
  Stream stream(0);
  for (const auto& payload :
       {start_of(10, true), relation_of(5, "a", 11), insert_of(5, "lost", 11), insert_of(5, "nested", 12),
        insert_of(5, "kept", 13), insert_of(5, "top", 10), std::string("E"), abort_of(10, 12),
        abort_of(10, 11), start_of(20, true), relation_of(5, "a", 20), insert_of(5, "x", 20),
        std::string("E"), abort_of(20, 20), abort_of(99, 99), start_of(10, false), insert_of(5, "more", 14),
        std::string("E"), stream_commit_of(10, 60)})
    stream.sent(payload);
  EXPECT_EQ(stream.out, (std::vector<std::string>{begin_of(10, 60), relation_of(5, "a"), insert_of(5, "kept"),
                                                  insert_of(5, "top"), insert_of(5, "more"), commit_of(60)}));
  stream.out.clear();
  for (const auto& payload : {start_of(40, true), relation_of(5, "a", 41), insert_of(5, "lost", 41),
                              std::string("E"), abort_of(40, 41), stream_commit_of(40, 80)})
    stream.sent(payload);
  EXPECT_TRUE(stream.out.empty()) << "nothing is left of it";
}

TEST(StreamedTransactions, AShapeIsSeenByTheRowsThatHaveIt) {
  Stream stream;
  // An ALTER inside a savepoint that is rolled back; another session changes the table before we commit.
  for (const auto& payload :
       {start_of(10, true), relation_of(5, "rolled_back", 11), insert_of(5, "lost", 11), std::string("E"),
        abort_of(10, 11), start_of(10, false), relation_of(6, "b", 10), insert_of(6, "x", 10),
        std::string("E"), begin_of(30, 50), relation_of(5, "new"), insert_of(5, "y"), commit_of(50),
        stream_commit_of(10, 60), begin_of(31, 70), insert_of(5, "z"), insert_of(6, "w"), commit_of(70)})
    stream.sent(payload);
  EXPECT_EQ(stream.out, (std::vector<std::string>{begin_of(30, 50), relation_of(5, "new"), insert_of(5, "y"),
                                                  commit_of(50), begin_of(10, 60), relation_of(6, "b"),
                                                  insert_of(6, "x"), commit_of(60), begin_of(31, 70),
                                                  insert_of(5, "z"), insert_of(6, "w"), commit_of(70)}));
  // Told in a streamed transaction only, by a part of it that left no rows: known to those that follow.
  stream.out.clear();
  for (const auto& payload :
       {start_of(12, true), relation_of(7, "c", 13), insert_of(7, "lost", 13), insert_of(6, "v", 12),
        std::string("E"), abort_of(12, 13), stream_commit_of(12, 80), begin_of(32, 90), insert_of(7, "u"),
        insert_of(7, "t"), commit_of(90)})
    stream.sent(payload);
  EXPECT_EQ(stream.out, (std::vector<std::string>{begin_of(12, 80), insert_of(6, "v"), commit_of(80),
                                                  begin_of(32, 90), relation_of(7, "c"), insert_of(7, "u"),
                                                  insert_of(7, "t"), commit_of(90)}));
}

TEST(StreamedTransactions, RowsOfAnySizeComeBackFromDisk) {
  for (size_t memory : {size_t{100'000}, size_t{0}}) {
    Stream stream(memory);
    std::vector<std::string> rows;
    stream.sent(start_of(10, true));
    stream.sent(relation_of(5, "a", 10));
    for (size_t size : {1UL, 20'000UL, 5'000'000UL, 0UL, 1'048'576UL, 300'000UL, 7UL})
      for (char letter : {'a', 'b'}) {
        stream.sent(insert_of(5, std::string(size, letter), 10));
        rows.push_back(insert_of(5, std::string(size, letter)));
      }
    stream.sent("E");
    EXPECT_GT(stream.transactions.disk_bytes(), 10'000'000U);
    EXPECT_LE(stream.transactions.memory_bytes(), std::max<size_t>(memory, 1 << 20));
    stream.sent(stream_commit_of(10, 60));
    ASSERT_EQ(stream.out.size(), rows.size() + 3);
    EXPECT_TRUE(std::equal(rows.begin(), rows.end(), stream.out.begin() + 2));
  }
}

TEST(StreamedTransactions, BeyondItsRoomItSaysSo) {
  Stream stream(0, 100'000);
  stream.sent(start_of(10, true));
  Status status;
  for (int row = 0; row < 100 && status; ++row)
    status = stream.send(insert_of(5, std::string(5000, 'x'), 10));
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().kind, ErrorKind::limit);
  EXPECT_TRUE(stream.transactions.out_of_room());
  EXPECT_TRUE(stream.out.empty());
  stream.transactions.clear();
  EXPECT_FALSE(stream.transactions.out_of_room());
  EXPECT_EQ(stream.transactions.disk_bytes(), 0U);
}

TEST(StreamedTransactions, WhatIsOutOfOrderIsCorrupt) {
  const std::vector<std::vector<std::string>> streams = {{stream_commit_of(10, 5)},
                                                         {start_of(10, false)},
                                                         {start_of(10, true), "E", start_of(10, true)},
                                                         {start_of(10, true), begin_of(11, 5)}};
  for (const auto& payloads : streams) {
    Stream stream;
    for (size_t index = 0; index + 1 < payloads.size(); ++index) stream.sent(payloads[index]);
    Status status = stream.send(payloads.back());
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().kind, ErrorKind::corrupt);
  }
}

// Each row with the shape it was read under, so that it does not matter when a shape was told.
class Transcript {
 public:
  void add(std::string_view payload) {
    if (payload[0] == 'R')
      shapes_[std::string(payload.substr(1, 4))] = payload;
    else if (payload[0] == 'I' || payload[0] == 'U' || payload[0] == 'D')
      lines.push_back(std::string(payload) + "\n" + shapes_[std::string(payload.substr(1, 4))]);
    else if (payload[0] == 'M' && payload[1] == 1)
      return;  // a rolled back one cannot be told (streamed_transactions.h)
    else if (payload[0] == 'C' && !lines.empty() && lines.back()[0] == 'B')
      lines.pop_back();  // nothing but such messages
    else if (payload[0] != 'Y' && payload[0] != 'O')
      lines.emplace_back(payload);
  }
  std::vector<std::string> lines;

 private:
  std::map<std::string, std::string> shapes_;
};

class StreamedFromServer : public ::testing::Test {
 protected:
  static TestCluster& cluster() { return TestCluster::shared(TIDEMARK_BINARY_DIR); }
  static std::string url() { return cluster().url("streamed"); }
  void SetUp() override {
    auto admin = Connection::open({.url = cluster().url()});
    ASSERT_TRUE(admin) << admin.error().describe();
    ASSERT_TRUE(admin->execute("DROP DATABASE IF EXISTS streamed WITH (FORCE)"));
    ASSERT_TRUE(admin->execute("CREATE DATABASE streamed"));
  }
};

// Three sessions at once, each with a table of its own that it also alters and truncates, and one for all.
class Workload {
 public:
  Workload(uint64_t seed, const std::string& url) : random_(seed) {
    for (auto& session : sessions_) session.connection.emplace(*Connection::open({.url = url}));
  }
  void step() {
    size_t index = below(sessions_.size());
    Session& session = sessions_[index];
    std::string own = fmt::format("own_{}", index);
    if (!session.open) {
      run(session, "BEGIN");
      session.open = true;
      session.savepoints = 0;
      return;
    }
    switch (below(14)) {
      case 0:
        if (session.savepoints > 0) {
          size_t to = 1 + below(session.savepoints);
          run(session, fmt::format("ROLLBACK TO s{}", to));
          session.savepoints = to;
        }
        return;
      case 1:
      case 2:
        run(session, fmt::format("SAVEPOINT s{}", ++session.savepoints));
        return;
      case 3:
        if (session.savepoints > 0) run(session, fmt::format("RELEASE s{}", session.savepoints--));
        return;
      case 4:
        run(session, fmt::format("ALTER TABLE {} ADD COLUMN c{} int DEFAULT 7", own, ++columns_));
        return;
      case 5:
        run(session, "TRUNCATE " + own);
        return;
      case 6:
        run(session, fmt::format("SELECT pg_logical_emit_message({}, 'test', 'x{}')", below(2) == 0, next_));
        return;
      case 7:
        run(session, fmt::format("UPDATE {} SET id = -id, n = 1 WHERE id % 7 = {}", own, below(7)));
        return;
      case 8:
        run(session, fmt::format("DELETE FROM {} WHERE id % 5 = {}", own, below(5)));
        return;
      case 9:
        end(session);
        return;
      default: {
        // Some hundred rows: a few of these are more than the server keeps.
        size_t rows = below(2) == 0 ? 3 : 300 + below(500);
        run(session,
            fmt::format("INSERT INTO {} (id, big) SELECT g, repeat('x', {}) FROM generate_series({}, "
                        "{}) g",
                        below(2) == 0 ? own : "everybodys", below(200), next_, next_ + rows - 1));
        next_ += rows;
      }
    }
  }
  void end_all() {
    for (auto& session : sessions_)
      if (session.open) end(session);
  }

 private:
  struct Session {
    std::optional<Connection> connection;
    bool open = false;
    size_t savepoints = 0;
  };
  size_t below(size_t bound) { return random_() % bound; }
  static void run(Session& session, const std::string& sql) {
    auto done = session.connection->execute(sql);
    ASSERT_TRUE(done) << done.error().describe() << "\n" << sql;
  }
  void end(Session& session) {
    session.open = false;
    switch (below(4)) {
      case 0:
        return run(session, "ROLLBACK");
      case 1:
        run(session, fmt::format("PREPARE TRANSACTION 'p{}'", ++next_));
        return run(session, fmt::format("{} PREPARED 'p{}'", below(3) == 0 ? "ROLLBACK" : "COMMIT", next_));
      default:
        return run(session, "COMMIT");
    }
  }

  std::mt19937_64 random_;
  std::array<Session, 3> sessions_;
  size_t next_ = 1;
  size_t columns_ = 0;
};

TEST_F(StreamedFromServer, RandomTransactionsComeOutAsVersionOneSendsThem) {
  const char* asked = std::getenv("TIDEMARK_SEED");
  const char* more = std::getenv("TIDEMARK_SEEDS");
  uint64_t first = asked != nullptr ? std::stoull(asked) : std::random_device{}();
  uint64_t seeds = more != nullptr ? std::stoull(more) : 6;
  auto sql = Connection::open({.url = url()});
  ASSERT_TRUE(sql) << sql.error().describe();
  ASSERT_TRUE(sql->execute("CREATE PUBLICATION streamed FOR ALL TABLES"));
  size_t pieces = 0, aborts = 0, spilled = 0, given_up = 0;
  for (uint64_t seed = first; seed < first + seeds; ++seed) {
    SCOPED_TRACE(fmt::format("TIDEMARK_SEED={}", seed));
    ASSERT_TRUE(sql->execute("DROP TABLE IF EXISTS everybodys, own_0, own_1, own_2"));
    for (const char* table : {"everybodys", "own_0", "own_1", "own_2"})
      ASSERT_TRUE(sql->execute(
          fmt::format("CREATE TABLE {} (id bigint PRIMARY KEY, n int DEFAULT 0, big text)", table)));
    auto replication = Connection::open({.url = url(), .replication = true});
    ASSERT_TRUE(create_slot(*replication, "streamed", false));
    Workload workload(seed, url());
    for (int step = 0; step < 120 && !HasFatalFailure(); ++step) workload.step();
    workload.end_all();
    ASSERT_FALSE(HasFatalFailure());
    ASSERT_TRUE(sql->execute("SELECT pg_logical_emit_message(false, 'test', 'end')"));
    // Peeking sees what is flushed, and this flushes it.
    ASSERT_TRUE(sql->execute("SET synchronous_commit = on"));
    ASSERT_TRUE(sql->execute("SELECT pg_logical_emit_message(true, 'test', 'flush')"));

    Transcript expected;
    ASSERT_TRUE(peek_slot(*sql, {.slot = "streamed", .publication = "streamed"},
                          [&](Lsn, std::string_view payload) -> Status {
                            expected.add(payload);
                            return {};
                          }));
    Transcript actual;
    auto stream = ReplicationStream::start(
        {.connection = {.url = url()}, .slot = "streamed", .publication = "streamed", .protocol_version = 2});
    ASSERT_TRUE(stream) << stream.error().describe();
    StreamedTransactions transactions(
        {.directory = std::string(TIDEMARK_BINARY_DIR) + "/streamed", .memory_bytes_max = 64 << 10});
    PgoutputDecoder decoder(2);
    auto keep = [&](Lsn, const Message&, std::string_view payload) -> Status {
      actual.add(payload);
      return {};
    };
    bool broken = false;  // Postgres cannot decode every rolled back change of shape before its end
    for (bool end = false; !end;) {
      auto next = stream->next(std::chrono::seconds(20));
      if (!next && (next.error().message.find("could not open relation") != std::string::npos ||
                    next.error().message.find("could not map filenode") != std::string::npos)) {
        broken = true;
        break;
      }
      ASSERT_TRUE(next) << next.error().describe();
      ASSERT_TRUE(*next) << "the stream stopped before its end";
      auto message = decoder.decode((*next)->payload);
      ASSERT_TRUE(message) << message.error().describe();
      pieces += (*message)->kind == MessageKind::stream_start;
      aborts +=
          (*message)->kind == MessageKind::stream_abort && (*message)->subtransaction != (*message)->xid;
      end = (*message)->kind == MessageKind::logical && (*message)->content == "end";
      Status taken = transactions.take((*next)->start, **message, (*next)->payload, keep);
      ASSERT_TRUE(taken) << taken.error().describe();
      spilled += transactions.disk_bytes() > 0;
    }
    if (broken) {
      ++given_up;
      ASSERT_TRUE(drop_slot(*sql, "streamed"));
      continue;
    }
    stream->stop();
    EXPECT_EQ(transactions.transactions(), 0U);
    for (size_t line = 0; line < std::min(actual.lines.size(), expected.lines.size()); ++line)
      ASSERT_EQ(actual.lines[line], expected.lines[line]) << "message " << line;
    ASSERT_EQ(actual.lines.size(), expected.lines.size());
    ASSERT_TRUE(drop_slot(*sql, "streamed"));
  }
  if (seeds < 4) return;
  EXPECT_LT(given_up, seeds / 2);
  EXPECT_GT(pieces, 10U) << "nothing was streamed";
  EXPECT_GT(aborts, 0U);
  EXPECT_GT(spilled, 0U);
}

}  // namespace
}  // namespace tidemark::postgres
