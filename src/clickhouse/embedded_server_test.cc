#include "clickhouse/embedded_server.h"

#include "clickhouse/child_process.h"
#include "clickhouse/client.h"
#include "clickhouse/embedded_directory.h"
#include "clickhouse/test_server.h"

#include <arpa/inet.h>
#include <condition_variable>
#include <fstream>
#include <gtest/gtest.h>
#include <mutex>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

namespace tidemark::clickhouse {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Waits until `holds`, at most 30 s.
bool eventually(const std::function<bool()>& holds) {
  auto deadline = std::chrono::steady_clock::now() + seconds(30);
  while (!holds()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(milliseconds(10));
  }
  return true;
}

// Alive and not a zombie.
bool runs(int pid) {
  std::string stat = read_file(fmt::format("/proc/{}/stat", pid));
  auto name_end = stat.rfind(") ");
  return name_end != std::string::npos && stat[name_end + 2] != 'Z';
}

std::string refusal(Client& client, const std::string& sql) {
  auto outcome = client.query_text(sql);
  return outcome ? "allowed: " + *outcome : outcome.error().message;
}

TEST(EmbeddedServer, SecondStartOnTheSameDirectoryIsAConflict) {
  TestServer& server = TestServer::shared();
  auto second = EmbeddedServer::start(test_server_options(server.directory()));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, ErrorKind::conflict);
  EXPECT_NE(second.error().message.find(std::to_string(getpid())), std::string::npos);
  EXPECT_TRUE(server.client().query("SELECT 1"));
}

TEST(EmbeddedServer, OthersFindARunningInstance) {
  TestServer& server = TestServer::shared();
  auto running = EmbeddedServer::find_running(server.directory());
  ASSERT_TRUE(running);
  EXPECT_EQ(running->owner_pid, getpid());
  EXPECT_EQ(running->tcp_port, server.server().tcp_port());
  for (Account account : {Account::tidemark, Account::reader, Account::admin}) {
    auto user = Client(running->of(account)).query("SELECT currentUser()");
    ASSERT_TRUE(user) << user.error().describe();
    EXPECT_EQ(user->columns[0].text(0), name(account));
  }
  TestDirectory empty;
  EXPECT_FALSE(EmbeddedServer::find_running(empty.path(), seconds(3600)));
}

TEST(EmbeddedServer, AnIdleServerStaysSmall) {
  TestServer server;
  std::string status = read_file(fmt::format("/proc/{}/status", server.server().child_pid()));
  auto at = status.find("VmRSS:");
  ASSERT_NE(at, std::string::npos);
  EXPECT_LT(std::atol(status.c_str() + at + 6), 400 * 1024) << "kB resident; 210 MB when this was written";
}

TEST(EmbeddedServer, PasswordFilesAreForTheOwnerOnly) {
  for (const char* account : {"tidemark", "reader", "admin"}) {
    struct stat status {};
    auto path = TestServer::shared().directory() / "credentials" / fmt::format("{}.password", account);
    ASSERT_EQ(stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600U);
    EXPECT_EQ(read_file(path).size(), 33U);
  }
}

// A socket that listens, and where.
std::pair<int, uint16_t> taken_port() {
  int taken = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  EXPECT_EQ(bind(taken, reinterpret_cast<sockaddr*>(&address), length), 0);
  EXPECT_EQ(listen(taken, 1), 0);
  getsockname(taken, reinterpret_cast<sockaddr*>(&address), &length);
  return {taken, ntohs(address.sin_port)};
}

TEST(EmbeddedServer, ATakenPortIsNamedWithWhatToSet) {
  auto [taken, port] = taken_port();
  TestDirectory directory;
  EmbeddedOptions options = test_server_options(directory.path());
  options.http_port = port;
  auto started = EmbeddedServer::start(options);
  close(taken);
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().kind, ErrorKind::conflict);
  EXPECT_NE(started.error().message.find(std::to_string(options.http_port)), std::string::npos);
  EXPECT_NE(started.error().remedy.find("http_port"), std::string::npos);
}

TEST(EmbeddedServer, AMissingOrBrokenLibraryIsExplained) {
  TestDirectory directory;
  EmbeddedOptions options = test_server_options(directory.path() / "data");
  options.library = directory.path() / "nothing.so";
  auto started = EmbeddedServer::start(options);
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().kind, ErrorKind::config);
  EXPECT_NE(started.error().message.find("nothing.so"), std::string::npos);
}

TEST(EmbeddedServer, RefusesADirectoryOfANewerVersion) {
  TestDirectory directory;
  std::ofstream(directory.path() / "version") << "99.1.0\n";
  auto started = EmbeddedServer::start(test_server_options(directory.path()));
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().kind, ErrorKind::unsupported);
  EXPECT_NE(started.error().message.find("99.1.0"), std::string::npos);
}

TEST(EmbeddedServer, AChildThatDiesComesBackOnTheSamePortsWithItsData) {
  TestServer server;
  Client client = server.client();
  ASSERT_TRUE(client.execute("CREATE TABLE default.kept (a Int32) ENGINE = MergeTree ORDER BY a"));
  ASSERT_TRUE(client.execute("INSERT INTO default.kept VALUES (1), (2)"));
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<bool> seen;
  server.server().observe([&](bool up) {
    std::lock_guard guard(mutex);
    seen.push_back(up);
    changed.notify_all();
  });
  int first = server.server().child_pid();
  ASSERT_EQ(kill(first, SIGKILL), 0);
  EXPECT_TRUE(EmbeddedServer::find_running(server.directory(), seconds(30))) << "between two lives";
  {
    std::unique_lock lock(mutex);
    ASSERT_TRUE(changed.wait_for(lock, seconds(30), [&] { return seen.size() == 2; }));
    EXPECT_EQ(seen, (std::vector<bool>{false, true}));
  }
  EXPECT_NE(server.server().child_pid(), first);
  EXPECT_EQ(server.server().restarts(), 1U);
  auto rows = client.query("SELECT count() FROM default.kept");
  ASSERT_TRUE(rows) << rows.error().describe();
  EXPECT_EQ(rows->columns[0].get<uint64_t>(0), 2U);
}

TEST(EmbeddedServer, StopEndsTheChildAndFreesTheDirectory) {
  TestDirectory directory;
  auto server = EmbeddedServer::start(test_server_options(directory.path()));
  ASSERT_TRUE(server) << server.error().describe();
  int child = (*server)->child_pid();
  std::string password = (*server)->endpoint(Account::admin).password.reveal();
  (*server)->stop();
  EXPECT_FALSE(runs(child));
  server->reset();
  auto again = EmbeddedServer::start(test_server_options(directory.path()));
  ASSERT_TRUE(again) << again.error().describe();
  EXPECT_EQ((*again)->endpoint(Account::admin).password.reveal(), password);
}

// Run by the next test in a process of its own; does nothing otherwise.
TEST(EmbeddedParent, RunsUntilKilled) {
  const char* directory = std::getenv("TIDEMARK_TEST_PARENT_DIRECTORY");
  if (directory == nullptr) GTEST_SKIP() << "run by EmbeddedServer.TheChildEndsWithAKilledParent";
  auto server = EmbeddedServer::start(test_server_options(directory));
  ASSERT_TRUE(server) << server.error().describe();
  while (true) pause();
}

TEST(EmbeddedServer, TheChildEndsWithAKilledParent) {
  TestDirectory directory;
  std::filesystem::path data = directory.path() / "data";
  setenv("TIDEMARK_TEST_PARENT_DIRECTORY", data.c_str(), 1);
  std::string self = std::filesystem::read_symlink("/proc/self/exe");
  auto parent = ChildProcess::start(self, {self, "--gtest_filter=EmbeddedParent.RunsUntilKilled"},
                                    directory.path() / "output");
  unsetenv("TIDEMARK_TEST_PARENT_DIRECTORY");
  ASSERT_TRUE(parent) << parent.error().describe();
  std::optional<EmbeddedEndpoints> running;
  ASSERT_TRUE(eventually([&] { return (running = EmbeddedServer::find_running(data)).has_value(); }))
      << read_file(directory.path() / "output");
  ASSERT_TRUE(eventually([&] { return Client(running->tidemark).query("SELECT 1").has_value(); }));
  int child = DirectoryLock::held_by_another(data)->child_pid;
  ASSERT_TRUE(runs(child));
  parent->kill_with(SIGKILL);
  ASSERT_TRUE(parent->wait_for_end(seconds(10)));
  EXPECT_FALSE(EmbeddedServer::find_running(data));
  // At once again on the same directory: waits for the orphan, and for its sockets, which a killed process
  // may have for longer than its name.
  EmbeddedOptions options = test_server_options(data);
  options.tcp_port = running->tcp_port;
  auto [taken, port] = taken_port();
  options.http_port = port;
  std::thread sockets([&, taken = taken] {
    EXPECT_TRUE(eventually([&] { return !runs(child); }));
    std::this_thread::sleep_for(std::chrono::milliseconds(1500));
    close(taken);
  });
  auto again = EmbeddedServer::start(options);
  sockets.join();
  ASSERT_TRUE(again) << again.error().describe();
  EXPECT_FALSE(runs(child));
}

TEST(Accounts, DefaultCanDoNothingButListen) {
  Endpoint endpoint = TestServer::shared().endpoint();
  endpoint.user = "default";
  endpoint.password = Secret();
  Client client(endpoint);
  for (const char* sql :
       {"SELECT count() FROM system.parts", "CREATE TABLE default.x (a Int32) ENGINE = Memory",
        "CREATE TEMPORARY TABLE x (a Int32)", "SELECT * FROM file('/etc/passwd', LineAsString)",
        "SELECT * FROM url('http://127.0.0.1:1/', LineAsString)", "SYSTEM SHUTDOWN"})
    EXPECT_NE(refusal(client, sql).find("497"), std::string::npos) << sql << ": " << refusal(client, sql);
}

TEST(Accounts, ReaderReadsUserDataWithinLimitsAndNothingElse) {
  TestServer& server = TestServer::shared();
  Client owner = server.client();
  std::string database = server.database();
  std::string table = quote_table(database, "state");
  ASSERT_TRUE(owner.execute("CREATE DATABASE IF NOT EXISTS tidemark"));
  ASSERT_TRUE(
      owner.execute("CREATE TABLE IF NOT EXISTS tidemark.secrets (a Int32) ENGINE = MergeTree ORDER BY a"));
  ASSERT_TRUE(owner.execute("CREATE TABLE " + table +
                            " (k Int32, v UInt64) ENGINE = ReplacingMergeTree(v) ORDER BY k"));
  ASSERT_TRUE(owner.execute("INSERT INTO " + table + " VALUES (1, 1), (1, 2)"));
  Client reader = server.client(Account::reader);

  for (const std::string& sql :
       {"SELECT * FROM " + table + " FINAL SETTINGS max_threads = 1",
        std::string("SELECT count() FROM system.tables"), std::string("SELECT count() FROM system.columns"),
        std::string("SELECT name FROM system.databases"), std::string("SELECT sum(number) FROM numbers(10)"),
        std::string("SELECT 1 SETTINGS max_execution_time = 5"), "DESCRIBE TABLE " + table,
        std::string("SHOW TABLES FROM ") + database}) {
    auto outcome = reader.query_text(sql);
    EXPECT_TRUE(outcome) << sql << ": " << outcome.error().describe();
  }
  // Neither what is in `tidemark` nor that it is there.
  EXPECT_EQ(*reader.query_text("SELECT count() FROM system.tables WHERE database = 'tidemark'"), "0\n");

  for (const std::string& sql : {std::string("SELECT * FROM tidemark.secrets"),
                                 std::string("SELECT * FROM merge('tidemark', 'secrets')"),
                                 std::string("SELECT count() FROM system.parts"),
                                 std::string("SELECT * FROM system.processes"),
                                 std::string("SELECT * FROM system.users"),
                                 std::string("SELECT * FROM file('/etc/passwd', LineAsString)"),
                                 std::string("SELECT * FROM url('http://127.0.0.1:1/', LineAsString)"),
                                 std::string("SELECT * FROM remote('127.0.0.1', system.one)"),
                                 std::string("SELECT * FROM postgresql('127.0.0.1:1', 'a', 'b', 'c', 'd')"),
                                 std::string("SELECT * FROM s3('http://127.0.0.1:1/x', 'CSV')"),
                                 std::string("SELECT * FROM executable('x', 'TSV', 'a String')"),
                                 "INSERT INTO " + table + " VALUES (3, 3)",
                                 "DROP TABLE " + table,
                                 "ALTER TABLE " + table + " DELETE WHERE 1",
                                 std::string("CREATE DATABASE nope"),
                                 std::string("CREATE TEMPORARY TABLE x (a Int32)"),
                                 std::string("SYSTEM STOP LISTEN HTTP"),
                                 std::string("SELECT 1 SETTINGS max_execution_time = 0"),
                                 std::string("SELECT 1 SETTINGS max_execution_time = 600"),
                                 std::string("SELECT 1 SETTINGS max_memory_usage = 0"),
                                 std::string("SELECT 1 SETTINGS readonly = 0"),
                                 std::string("SELECT number FROM numbers(2000000)"),
                                 std::string("SELECT 1 SETTINGS max_result_rows = 0")}) {
    auto outcome = reader.query_text(sql);
    EXPECT_FALSE(outcome) << sql;
  }
  ASSERT_TRUE(owner.query("SELECT count() FROM " + table));
}

TEST(Accounts, ReaderIsStoppedByTime) {
  Client reader = TestServer::shared().client(Account::reader);
  auto outcome = reader.query(
      "SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(sipHash64(number)) SETTINGS "
      "max_execution_time = 1");
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().kind, ErrorKind::limit) << outcome.error().describe();
}

// The official JavaScript client sends settings of its own and must work as the reader.
TEST(Accounts, TheOfficialClientWorksAsReader) {
  std::string module = TIDEMARK_SOURCE_DIR "/node_modules/@clickhouse/client";
  if (!std::filesystem::exists(module) || std::system("node --version > /dev/null 2>&1") != 0)
    GTEST_SKIP() << "npm ci has not been run";
  TestServer& server = TestServer::shared();
  TestDirectory directory;
  auto script = directory.path() / "client.mjs";
  std::ofstream(script) << fmt::format(R"(
import {{ createRequire }} from 'node:module';
const {{ createClient }} = createRequire('{}/package.json')('@clickhouse/client');
const client = createClient({{ url: process.env.CLICKHOUSE_URL, username: 'reader', password: process.env.CLICKHOUSE_PASSWORD,
  compression: {{ response: true }}, clickhouse_settings: {{ output_format_json_quote_64bit_integers: 0 }} }});
const ping = await client.ping();
const result = await client.query({{ query: 'SELECT number AS n, {{text:String}} AS text FROM numbers(3)',
  format: 'JSONEachRow', query_params: {{ text: "it's\ta tab" }} }});
const rows = await result.json();
let refused = false;
try {{ await client.command({{ query: 'CREATE TABLE default.nope (a Int32) ENGINE = Memory' }}); }} catch (error) {{ refused = true; }}
await client.close();
console.log(JSON.stringify([ping.success, rows.length, rows[2].n, rows[0].text, refused]));
)",
                                       TIDEMARK_SOURCE_DIR);
  setenv("CLICKHOUSE_URL", server.endpoint().base_url().c_str(), 1);
  setenv("CLICKHOUSE_PASSWORD", server.endpoint(Account::reader).password.reveal().c_str(), 1);
  auto output = directory.path() / "output";
  int status = std::system(
      fmt::format("node {} > {} 2> {}.log", script.string(), output.string(), output.string()).c_str());
  unsetenv("CLICKHOUSE_PASSWORD");
  EXPECT_EQ(status, 0);
  EXPECT_EQ(read_file(output), "[true,3,2,\"it's\\ta tab\",true]\n");
}

}  // namespace
}  // namespace tidemark::clickhouse
