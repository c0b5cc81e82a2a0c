// The change stream, slots, publications and preflight on a real server.
#include "postgres/copy_reader.h"
#include "postgres/preflight.h"
#include "postgres/replication_setup.h"
#include "postgres/replication_stream.h"
#include "postgres/test_cluster.h"

#include <future>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>

namespace tidemark::postgres {
namespace {

using std::chrono::milliseconds;

class StreamTest : public ::testing::Test {
 protected:
  static TestCluster& cluster() { return TestCluster::shared(TIDEMARK_BINARY_DIR); }
  static std::string url() { return cluster().url("streams"); }

  void SetUp() override {
    auto admin = Connection::open({.url = cluster().url()});
    ASSERT_TRUE(admin) << admin.error().describe();
    ASSERT_TRUE(admin->execute("DROP DATABASE IF EXISTS streams WITH (FORCE)"));
    ASSERT_TRUE(admin->execute("CREATE DATABASE streams"));
    sql_ = std::make_unique<Connection>(open());
  }
  void TearDown() override {
    auto dropped = drop_slot(*sql_, "slot");
    EXPECT_TRUE(dropped) << dropped.error().describe();
  }

  static Connection open(bool replication = false) {
    auto connection = Connection::open({.url = url(), .replication = replication});
    EXPECT_TRUE(connection) << connection.error().describe();
    return std::move(*connection);
  }
  void run(const std::string& statement) {
    auto status = sql_->execute(statement);
    ASSERT_TRUE(status) << status.error().describe() << "\n" << statement;
  }
  std::vector<SourceTable> publish(const std::vector<std::string>& patterns) {
    auto tables = read_tables(*sql_, patterns);
    EXPECT_TRUE(tables) << tables.error().describe();
    auto status = ensure_publication(*sql_, "publication", "slot", *tables);
    EXPECT_TRUE(status) << status.error().describe();
    return *tables;
  }
  CreatedSlot make_slot(Connection& replication) {
    auto slot = create_slot(replication, "slot", false);
    EXPECT_TRUE(slot) << slot.error().describe();
    return *slot;
  }
  static StreamOptions options() {
    return {.connection = {.url = url(), .application_name = "first reader"},
            .slot = "slot",
            .publication = "publication"};
  }
  void mark(const std::string& content = "end") {
    run(fmt::format("SELECT pg_logical_emit_message(false, 'test', '{}')", content));
  }

  // Decodes to `visit` until the logical message "end".
  static Lsn read_to_end(ReplicationStream& stream, int version,
                         const std::function<void(const Message&)>& visit) {
    PgoutputDecoder decoder(version);
    Lsn last_end = 0;
    for (;;) {
      auto next = stream.next(milliseconds(10'000));
      EXPECT_TRUE(next) << next.error().describe();
      EXPECT_TRUE(next && *next) << "the stream stopped before its end";
      if (!next || !*next) return last_end;
      auto message = decoder.decode((*next)->payload);
      EXPECT_TRUE(message) << message.error().describe();
      if (!message || ((*message)->kind == MessageKind::logical && (*message)->content == "end"))
        return last_end;
      if ((*message)->kind == MessageKind::commit || (*message)->kind == MessageKind::stream_commit)
        last_end = (*message)->end_lsn;
      visit(**message);
    }
  }

  std::unique_ptr<Connection> sql_;
};

TEST_F(StreamTest, SnapshotAndStreamTogetherHaveEveryRowOnce) {
  run("CREATE TABLE a (id bigint PRIMARY KEY, t text); INSERT INTO a SELECT i, 'x' FROM generate_series(1, "
      "1000) i");
  auto tables = publish({"a"});
  Connection replication = open(true);
  CreatedSlot slot = make_slot(replication);
  run("INSERT INTO a SELECT i, 'y' FROM generate_series(1001, 1500) i");

  Connection reader = open();
  ASSERT_TRUE(reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"));
  ASSERT_TRUE(reader.execute(fmt::format("SET TRANSACTION SNAPSHOT '{}'", slot.snapshot_name)));
  TableDecoder decoder(tables[0]);
  Block block;
  decoder.add_columns(block);
  CopyBinaryReader copy;
  ASSERT_TRUE(reader.copy_out(copy_statement(tables[0]), [&](std::string_view data) -> Status {
    TRY(copy.feed(data.data(), data.size(), decoder, block));
    return {};
  }));
  EXPECT_EQ(block.rows(), 1000U);
  mark();
  auto stream = ReplicationStream::start(options());
  ASSERT_TRUE(stream) << stream.error().describe();
  read_to_end(*stream, 1, [&](const Message& message) {
    if (message.kind == MessageKind::begin) {
      EXPECT_GE(message.commit_lsn, slot.consistent_point);
    }
    if (message.kind == MessageKind::insert) {
      EXPECT_TRUE(decoder.append(message.new_row, RowImage::full, block));
    }
  });
  stream->stop();
  ASSERT_EQ(block.rows(), 1500U);
  std::vector<int> seen(1501);
  for (size_t row = 0; row < block.rows(); ++row)
    ++seen[static_cast<size_t>(block.columns[0].get<int64_t>(row))];
  for (size_t id = 1; id <= 1500; ++id) EXPECT_EQ(seen[id], 1) << id;
}

TEST_F(StreamTest, OldImagesKeysAndUnchangedBigValues) {
  run("CREATE TABLE d (id int PRIMARY KEY, n int NOT NULL, big text); ALTER TABLE d ALTER big SET STORAGE "
      "EXTERNAL;"
      "CREATE TABLE f (id int PRIMARY KEY, n int NOT NULL, big text); ALTER TABLE f ALTER big SET STORAGE "
      "EXTERNAL;"
      "ALTER TABLE f REPLICA IDENTITY FULL");
  auto tables = publish({"d", "f"});
  ASSERT_EQ(tables.size(), 2U);
  EXPECT_TRUE(tables[0].has_toastable_columns);
  Connection replication = open(true);
  make_slot(replication);
  for (const char* table : {"d", "f"}) {
    run(fmt::format("INSERT INTO {} VALUES (1, 1, repeat('b', 5000))", table));
    run(fmt::format("UPDATE {} SET n = 2", table));
    run(fmt::format("UPDATE {} SET id = 9", table));
    run(fmt::format("DELETE FROM {}", table));
  }
  run("TRUNCATE d, f RESTART IDENTITY");
  mark();
  auto stream = ReplicationStream::start(options());
  ASSERT_TRUE(stream) << stream.error().describe();
  std::map<uint32_t, TableDecoder> decoders;
  std::map<uint32_t, Block> news;
  std::map<uint32_t, Block> olds;
  std::map<uint32_t, std::string> log;
  for (const auto& table : tables) {
    decoders.emplace(table.oid, TableDecoder(table));
    decoders.at(table.oid).add_columns(news[table.oid]);
    decoders.at(table.oid).add_columns(olds[table.oid]);
  }
  size_t truncated = 0;
  read_to_end(*stream, 1, [&](const Message& message) {
    uint32_t oid = message.relation_oid;
    if (message.kind == MessageKind::truncate) truncated = message.truncated.size();
    if (message.kind != MessageKind::insert && message.kind != MessageKind::update &&
        message.kind != MessageKind::remove)
      return;
    TableDecoder& decoder = decoders.at(oid);
    if (message.old_kind != 0) {
      EXPECT_TRUE(decoder.append(message.old_row, message.old_kind == 'K' ? RowImage::key : RowImage::full,
                                 olds[oid]))
          << decoder.error_text();
    }
    log[oid] += message.old_kind == 0 ? '-' : message.old_kind;
    if (message.kind != MessageKind::remove) {
      EXPECT_TRUE(decoder.append(message.new_row, RowImage::full, news[oid], message.old_row))
          << decoder.error_text();
      log[oid] += decoder.unchanged().empty() ? '.' : 'u';
    }
  });
  stream->stop();
  EXPECT_EQ(truncated, 2U);
  uint32_t d = tables[0].oid;
  uint32_t f = tables[1].oid;
  EXPECT_EQ(log[d], "-.-uKuK");  // default: keys only when they change; the big value is not sent
  EXPECT_EQ(log[f], "-.O.O.O");  // full: the old row has it
  EXPECT_EQ(olds[d].columns[0].get<int32_t>(0), 1);
  EXPECT_EQ(olds[d].columns[0].get<int32_t>(1), 9);
  EXPECT_EQ(olds[d].columns[1].get<int32_t>(0), 0);
  for (size_t row = 0; row < 3; ++row) EXPECT_EQ(news[f].columns[2].text(row), std::string(5000, 'b'));
  EXPECT_TRUE(news[d].columns[2].is_null(1));
  EXPECT_EQ(olds[f].columns[1].get<int32_t>(2), 2);
}

TEST_F(StreamTest, LargeTransactionsAreStreamedInVersionTwo) {
  run("CREATE TABLE a (id bigint PRIMARY KEY, t text)");
  publish({"a"});
  Connection replication = open(true);
  make_slot(replication);
  run("BEGIN; INSERT INTO a SELECT i, 'kept' FROM generate_series(1, 5000) i; SAVEPOINT s;"
      "INSERT INTO a SELECT i, 'lost' FROM generate_series(5001, 8000) i; ROLLBACK TO s;"
      "INSERT INTO a SELECT i, 'kept' FROM generate_series(5001, 9000) i; COMMIT");
  run("BEGIN; INSERT INTO a SELECT i, 'gone' FROM generate_series(10001, 15000) i; ROLLBACK");
  mark();
  StreamOptions streaming = options();
  streaming.protocol_version = 2;
  auto stream = ReplicationStream::start(streaming);
  ASSERT_TRUE(stream) << stream.error().describe();
  std::map<uint32_t, std::map<uint32_t, size_t>> rows;  // transaction -> subtransaction -> rows
  uint32_t current = 0;
  size_t committed = 0;
  size_t segments = 0;
  read_to_end(*stream, 2, [&](const Message& message) {
    if (message.kind == MessageKind::stream_start) {
      current = message.xid;
      ++segments;
    }
    if (message.kind == MessageKind::insert) ++rows[current][message.xid];
    if (message.kind == MessageKind::stream_abort) {
      if (message.xid == message.subtransaction)
        rows.erase(message.xid);
      else
        rows[message.xid].erase(message.subtransaction);
    }
    if (message.kind == MessageKind::stream_commit)
      for (const auto& [subtransaction, count] : rows[message.xid]) committed += count;
  });
  stream->stop();
  EXPECT_GT(segments, 2U);
  EXPECT_EQ(committed, 9000U);
}

TEST_F(StreamTest, AcknowledgingMovesTheSlotAndHeartbeatsMoveItWhenIdle) {
  run("CREATE TABLE a (id int PRIMARY KEY)");
  publish({"a"});
  Connection replication = open(true);
  make_slot(replication);
  run("INSERT INTO a VALUES (1)");
  mark();
  auto stream = ReplicationStream::start(options());
  ASSERT_TRUE(stream) << stream.error().describe();
  Lsn end = read_to_end(*stream, 1, [](const Message&) {});
  ASSERT_GT(end, 0U);
  ASSERT_TRUE(stream->acknowledge(end));
  EXPECT_EQ(stream->acknowledged(), end);
  ASSERT_TRUE(stream->acknowledge(end - 1));  // never backwards
  EXPECT_EQ(stream->acknowledged(), end);
  stream->stop();
  auto slot = read_slot(*sql_, "slot");
  ASSERT_TRUE(slot && *slot);
  EXPECT_EQ((*slot)->confirmed_flush, end);
  EXPECT_FALSE((*slot)->active);

  auto again = ReplicationStream::start(options());
  ASSERT_TRUE(again) << again.error().describe();
  ASSERT_TRUE(emit_heartbeat(*sql_));
  PgoutputDecoder decoder(1);
  bool heard = false;
  while (!heard) {
    auto next = again->next(milliseconds(10'000));
    ASSERT_TRUE(next && *next);
    auto message = decoder.decode((*next)->payload);
    ASSERT_TRUE(message);
    ASSERT_NE((*message)->kind, MessageKind::insert) << "acknowledged rows are not sent again";
    heard = (*message)->kind == MessageKind::logical && (*message)->prefix == "tidemark";
  }
  EXPECT_GE(again->received(), end);
  EXPECT_GE(again->server_position(), again->received());
  again->stop();
}

TEST_F(StreamTest, ASlotInUseNamesItsHolderAndAWakeUpEndsTheWait) {
  run("CREATE TABLE a (id int PRIMARY KEY)");
  auto tables = publish({"a"});
  Connection replication = open(true);
  make_slot(replication);
  int wake = eventfd(0, EFD_CLOEXEC);
  StreamOptions first = options();
  first.wake_fd = wake;
  auto stream = ReplicationStream::start(first);
  ASSERT_TRUE(stream) << stream.error().describe();

  StreamOptions second = options();
  second.connection.application_name = "second reader";
  auto refused = ReplicationStream::start(second);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::conflict);
  EXPECT_NE(refused.error().message.find("first reader"), std::string::npos) << refused.error().describe();
  EXPECT_FALSE(refused.error().remedy.empty());
  auto findings = preflight(*sql_, {.slot = "slot", .publication = "publication", .tables = tables});
  ASSERT_TRUE(findings) << findings.error().describe();
  bool told = false;
  for (const auto& finding : *findings)
    told = told || (finding.check == "slot" && finding.level == Finding::Level::fail &&
                    finding.kind == ErrorKind::conflict);
  EXPECT_TRUE(told);

  auto waiting = std::async(std::launch::async, [&] { return stream->next(std::chrono::minutes(5)); });
  uint64_t one = 1;
  ASSERT_EQ(write(wake, &one, sizeof one), static_cast<ssize_t>(sizeof one));
  ASSERT_EQ(waiting.wait_for(std::chrono::seconds(20)), std::future_status::ready);
  auto next = waiting.get();
  ASSERT_TRUE(next);
  EXPECT_FALSE(*next);
  pollfd again{wake, POLLIN, 0};
  EXPECT_EQ(poll(&again, 1, 0), 0) << "a wake-up that stays makes every later wait return at once";
  stream->stop();
  close(wake);
  auto missing = options();
  missing.slot = "no_such_slot";
  auto none = ReplicationStream::start(missing);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().kind, ErrorKind::refused);
}

TEST_F(StreamTest, PublicationsFollowTheTablesAndPartitionsComeUnderTheirRoot) {
  run("CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY);"
      "CREATE TABLE p (id int, k text, PRIMARY KEY (id)) PARTITION BY RANGE (id);"
      "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);"
      "CREATE TABLE p2 (k text, extra int, id int NOT NULL); ALTER TABLE p2 DROP COLUMN extra;"
      "ALTER TABLE p ATTACH PARTITION p2 FOR VALUES FROM (10) TO (20)");
  publish({"a", "b"});
  auto tables = publish({"b", "p*"});
  ASSERT_EQ(tables.size(), 2U) << "partitions are reached through their root";
  EXPECT_EQ(tables[1].kind, 'p');
  auto members =
      sql_->query("SELECT string_agg(tablename, ',' ORDER BY tablename) FROM pg_publication_tables");
  ASSERT_TRUE(members);
  EXPECT_EQ(members->at(0, 0), "b,p");
  Connection replication = open(true);
  make_slot(replication);
  auto taken = ensure_publication(*sql_, "publication", "other", tables);
  ASSERT_FALSE(taken) << "it is for another slot, which exists";
  EXPECT_EQ(taken.error().kind, ErrorKind::conflict);
  EXPECT_NE(taken.error().message.find("belongs to the slot slot"), std::string::npos);
  run("INSERT INTO p VALUES (1, 'one'), (11, 'eleven'); INSERT INTO a VALUES (1)");
  mark();
  auto stream = ReplicationStream::start(options());
  ASSERT_TRUE(stream) << stream.error().describe();
  TableDecoder decoder(tables[1]);
  Block block;
  decoder.add_columns(block);
  read_to_end(*stream, 1, [&](const Message& message) {
    // The server describes the partition too; rows come under the root.
    if (message.kind == MessageKind::relation && message.relation.oid == tables[1].oid) {
      EXPECT_TRUE(decoder.bind(message.relation).same());
    }
    if (message.kind == MessageKind::insert) {
      EXPECT_EQ(message.relation_oid, tables[1].oid);
    }
    if (message.kind == MessageKind::insert) {
      EXPECT_TRUE(decoder.append(message.new_row, RowImage::full, block));
    }
  });
  stream->stop();
  ASSERT_EQ(block.rows(), 2U);
  EXPECT_EQ(block.columns[1].text(0), "one");
  EXPECT_EQ(block.columns[0].get<int32_t>(1), 11);
  EXPECT_EQ(block.columns[1].text(1), "eleven");
}

TEST_F(StreamTest, AChangedTableIsNoticedAtItsRelationMessage) {
  run("CREATE TABLE a (id int PRIMARY KEY, n int, gone text)");
  auto tables = publish({"a"});
  Connection replication = open(true);
  make_slot(replication);
  run("ALTER TABLE a DROP COLUMN gone, ADD COLUMN fresh int, ALTER COLUMN n TYPE bigint; INSERT INTO a "
      "VALUES (1, 2, 3)");
  mark();
  auto stream = ReplicationStream::start(options());
  ASSERT_TRUE(stream) << stream.error().describe();
  TableDecoder decoder(tables[0]);
  RelationDifference difference;
  read_to_end(*stream, 1, [&](const Message& message) {
    if (message.kind == MessageKind::relation) difference = decoder.bind(message.relation);
  });
  stream->stop();
  EXPECT_FALSE(difference.same());
  EXPECT_EQ(difference.added, std::vector<std::string>{"fresh"});
  EXPECT_EQ(difference.missing, std::vector<std::string>{"gone"});
  EXPECT_EQ(difference.changed, std::vector<std::string>{"n"});
}

TEST_F(StreamTest, TablesAreFoundByPatternAndOddOnesAreTold) {
  run("CREATE SCHEMA shop; CREATE TABLE shop.orders (id int PRIMARY KEY); CREATE TABLE shop.\"Order.Items\" "
      "(id int);"
      "CREATE TABLE impressions (b int, a int, total int GENERATED ALWAYS AS (a + b) STORED, PRIMARY KEY (a, "
      "b) DEFERRABLE);"
      "CREATE VIEW seen AS SELECT 1 AS x; CREATE UNLOGGED TABLE u (id int PRIMARY KEY)");
  auto names = [&](const std::vector<std::string>& patterns) {
    std::string text;
    auto tables = read_tables(*sql_, patterns);
    EXPECT_TRUE(tables) << tables.error().describe();
    for (const auto& table : *tables) text += table.display() + " ";
    return text;
  };
  EXPECT_EQ(names({"shop.*", "impressions"}), "impressions shop.Order.Items shop.orders ");
  EXPECT_EQ(names({"shop.\"Order.Items\""}), "shop.Order.Items ");
  EXPECT_EQ(names({"imp*", "impressions"}), "impressions ");
  auto wrong = read_tables(*sql_, {"impresions"});
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().kind, ErrorKind::config);
  EXPECT_EQ(wrong.error().remedy, "did you mean impressions?");
  auto view = read_tables(*sql_, {"seen"});
  ASSERT_FALSE(view);
  EXPECT_EQ(view.error().kind, ErrorKind::unsupported);

  auto tables = read_tables(*sql_, {"impressions", "u", "shop.*"});
  ASSERT_TRUE(tables);
  const SourceTable& impressions = (*tables)[0];
  EXPECT_EQ(impressions.omitted_columns, std::vector<std::string>{"total"});
  EXPECT_EQ(impressions.key, (std::vector<size_t>{1, 0}));
  EXPECT_FALSE(impressions.identifies_rows()) << "a deferrable key is no replica identity";
  auto findings = preflight(*sql_, {.slot = "slot", .publication = "publication", .tables = *tables});
  ASSERT_TRUE(findings) << findings.error().describe();
  std::map<std::string, std::string> by_check;
  for (const auto& finding : *findings)
    by_check[finding.check] += finding.level == Finding::Level::pass   ? 'p'
                               : finding.level == Finding::Level::warn ? 'w'
                                                                       : 'f';
  EXPECT_EQ(by_check["wal_level"], "p");
  EXPECT_EQ(by_check["slot"], "p");
  EXPECT_EQ(by_check["table impressions"], "ww");
  EXPECT_EQ(by_check["table u"], "f");
  EXPECT_EQ(by_check["table shop.orders"], "p");
  EXPECT_EQ(by_check["table shop.Order.Items"], "ww");
}

TEST_F(StreamTest, ARoleWithoutRightsIsToldWhatToGrant) {
  run("CREATE TABLE a (id int PRIMARY KEY); DROP ROLE IF EXISTS visitor; CREATE ROLE visitor LOGIN PASSWORD "
      "'hush-hush'");
  auto connection = Connection::open({.url = cluster().url("streams", "visitor:hush-hush")});
  ASSERT_TRUE(connection) << connection.error().describe();
  auto tables = read_tables(*connection, {"a"});
  ASSERT_TRUE(tables) << tables.error().describe();
  auto findings = preflight(*connection, {.slot = "slot", .publication = "publication", .tables = *tables});
  ASSERT_TRUE(findings) << findings.error().describe();
  size_t failures = 0;
  for (const auto& finding : *findings)
    if (finding.level == Finding::Level::fail) {
      ++failures;
      EXPECT_FALSE(finding.remedy.empty());
    }
  EXPECT_EQ(failures, 4U);  // replication, publication, SELECT, ownership
  auto status = ensure_publication(*connection, "publication", "slot", *tables);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().kind, ErrorKind::refused);
  auto replication =
      ReplicationStream::start({.connection = {.url = cluster().url("streams", "visitor:hush-hush")},
                                .slot = "slot",
                                .publication = "publication"});
  ASSERT_FALSE(replication);
  EXPECT_EQ(replication.error().kind, ErrorKind::refused) << replication.error().describe();
  EXPECT_EQ(replication.error().describe().find("hush-hush"), std::string::npos);
}

TEST_F(StreamTest, FailuresToConnectHaveTheirKinds) {
  auto kind = [](const std::string& url) {
    auto connection = Connection::open({.url = url, .connect_timeout_s = 2});
    EXPECT_FALSE(connection);
    EXPECT_FALSE(connection.error().remedy.empty());
    EXPECT_EQ(connection.error().describe().find("hunter22"), std::string::npos);
    return connection.error().kind;
  };
  EXPECT_EQ(kind(cluster().url("nowhere")), ErrorKind::refused);
  EXPECT_EQ(kind(cluster().url("streams", "nobody:hunter22")), ErrorKind::refused);
  EXPECT_EQ(kind("postgresql://x:hunter22@127.0.0.1:1/db"), ErrorKind::dependency_down);
  EXPECT_EQ(kind("postgresql://x:hunter22@[broken"), ErrorKind::config);
  EXPECT_EQ(display_url("postgresql://u:hunter22@h:5/d"), "postgresql://u@h:5/d");
  auto missing = sql_->query("SELECT * FROM no_such_table");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().kind, ErrorKind::refused);
  EXPECT_TRUE(missing.error().message.starts_with("42P01: ")) << missing.error().message;
  auto identity = read_identity(*sql_);
  ASSERT_TRUE(identity) << identity.error().describe();
  EXPECT_EQ(identity->wal_level, "logical");
  EXPECT_EQ(identity->timeline, 1U);
  EXPECT_GT(identity->position, 0U);
  EXPECT_GT(identity->system_id.size(), 10U);
}

TEST_F(StreamTest, AServerThatGoesAwayEndsTheStreamWithDependencyDown) {
  TestCluster own(TIDEMARK_BINARY_DIR);
  auto connection = Connection::open({.url = own.url()});
  ASSERT_TRUE(connection) << connection.error().describe();
  ASSERT_TRUE(connection->execute("CREATE TABLE public.a (id int PRIMARY KEY)"));
  auto tables = read_tables(*connection, {"a"});
  ASSERT_TRUE(ensure_publication(*connection, "publication", "slot", *tables));
  auto replication = Connection::open({.url = own.url(), .replication = true});
  ASSERT_TRUE(create_slot(*replication, "slot", false));
  auto stream = ReplicationStream::start(
      {.connection = {.url = own.url()}, .slot = "slot", .publication = "publication"});
  ASSERT_TRUE(stream) << stream.error().describe();
  own.stop(SIGQUIT);
  for (;;) {
    auto next = stream->next(milliseconds(10'000));
    if (next && *next) continue;
    ASSERT_FALSE(next) << "a dead server must be noticed";
    EXPECT_EQ(next.error().kind, ErrorKind::dependency_down) << next.error().describe();
    break;
  }
  auto query = connection->query("SELECT 1");
  ASSERT_FALSE(query);
  EXPECT_EQ(query.error().kind, ErrorKind::dependency_down);
  own.start();
  auto back = ReplicationStream::start(
      {.connection = {.url = own.url()}, .slot = "slot", .publication = "publication"});
  EXPECT_TRUE(back) << back.error().describe();
}

}  // namespace
}  // namespace tidemark::postgres
