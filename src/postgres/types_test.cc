// Every type, on a real server: the same rows by COPY BINARY, by a binary stream and by a text stream give
// identical columns, and these say what Postgres itself says. Rows that cannot be converted are the same ones
// on all ways.
#include "postgres/catalog.h"
#include "postgres/copy_reader.h"
#include "postgres/replication_setup.h"
#include "postgres/replication_stream.h"
#include "postgres/table_decoder.h"
#include "postgres/test_cluster.h"

#include <gtest/gtest.h>
#include <set>

namespace tidemark::postgres {
namespace {

struct TypeCase {
  const char* type;
  std::vector<const char*> values;  // SQL expressions that cast to the type
};

const std::vector<TypeCase>& type_cases() {
  static const std::vector<TypeCase> cases = {
      {"boolean", {"true", "false"}},
      {"smallint", {"0", "-32768", "32767"}},
      {"integer", {"0", "-2147483648", "2147483647"}},
      {"bigint", {"0", "'-9223372036854775808'", "9223372036854775807"}},
      {"oid", {"0", "4294967295"}},
      {"xid", {"'7'", "'4294967295'"}},
      {"cid", {"'7'"}},
      {"xid8", {"'7'", "'18446744073709551615'"}},
      {"real",
       {"0", "'-0'", "1.5", "'NaN'", "'Infinity'", "'-Infinity'", "3.4028235e38", "1e-45", "123456",
        "1234567", "0.0001", "0.00001", "1e6", "16777216", "33554432", "8589934592", "1e10"}},
      {"double precision",
       {"0",
        "'-0'",
        "1.5",
        "'NaN'",
        "'Infinity'",
        "'-Infinity'",
        "1.7976931348623157e308",
        "5e-324",
        "1e22",
        "1e23",
        "123456789012345",
        "1234567890123456",
        "0.0001",
        "0.00001",
        "0.1",
        "9007199254740993",
        "2.2250738585072014e-308",
        "1e15",
        "1e14",
        "9.5367431640625e-07",
        "18014398509481984",
        "'Infinity'::float8 - 'Infinity'::float8"}},
      {"numeric",
       {"0", "0.00", "'NaN'", "'Infinity'", "'-Infinity'", "-1.50", "1e100", "1e-100",
        "12345678901234567890.000100", "-0.0001", "10000", "99990000.0001"}},
      {"numeric(5,0)", {"0", "99999", "-99999", "10000", "'NaN'"}},
      {"numeric(9,2)", {"0", "0.01", "-9999999.99", "1234567.8", "10000", "0.10", "'NaN'"}},
      {"numeric(18,6)", {"0", "999999999999.999999", "-0.000001", "10000.0001", "123.456", "100000000"}},
      {"numeric(18,18)", {"0", "0.999999999999999999", "-0.000000000000000001", "0.0001"}},
      {"numeric(38,10)", {"0", "9999999999999999999999999999.9999999999", "-0.0000000001", "1e27", "42"}},
      {"numeric(39,0)", {"0", "999999999999999999999999999999999999999", "-1"}},
      {"numeric(76,48)",
       {"0", "9999999999999999999999999999.999999999999999999999999999999999999999999999999", "-1e-48", "7"}},
      {"numeric(96,48)", {"0", "1e47", "-1e-48", "'NaN'"}},
      {"numeric(3,-2)", {"0", "99900"}},
      {"numeric(2,5)", {"0", "0.00099"}},
      {"text",
       {"''", "'x'", "'NULL'", "'null'", "'a,b'", "E'q\"\\\\{}\\n\\t'", "repeat('z', 3000)", "'grüße 日本'"}},
      {"varchar(10)", {"''", "'abc  '"}},
      {"char(5)", {"''", "'ab'"}},
      {"name", {"'pg_class'"}},
      {"\"char\"", {"'a'", "''", "'\"'"}},
      {"json", {"'{\"b\": 1.10,  \"a\":[1,null]}'", "'null'", "'\"x\"'"}},
      {"jsonb", {"'{\"b\": 1.10, \"a\":[1,null]}'", "'null'", "'1e3'"}},
      {"xml", {"'<a b=\"c\">d</a>'", "''"}},
      {"public.citext", {"'MiXed'"}},
      {"public.mood", {"'sad'", "'very happy'"}},
      {"public.price", {"12.34", "0"}},
      {"public.label", {"'a'", "'b c'"}},
      {"uuid", {"'00000000-0000-0000-0000-000000000000'", "'0123dead-beef-4567-89ab-cdef01234567'"}},
      {"bytea", {"''", "'\\x00ff5c22'", "'\\x7b7d'"}},
      {"date",
       {"'1970-01-01'", "'2000-02-29'", "'1900-01-01'", "'2299-12-31'", "'1899-12-31'", "'2300-01-01'",
        "'infinity'", "'-infinity'", "'0044-03-15 BC'", "'5874897-12-31'", "'1969-12-31'",
        "'4713-01-01 BC'"}},
      {"timestamp",
       {"'1970-01-01'", "'2299-12-31 23:59:59.999999'", "'1900-01-01'", "'1899-12-31 23:59:59.999999'",
        "'1969-12-31 23:59:59.999999'", "'2024-02-29 12:34:56.789'", "'infinity'", "'-infinity'",
        "'294276-12-31 23:59:59.999999'", "'0001-01-01 BC'", "'2300-01-01'", "'2024-01-01 24:00:00'"}},
      {"timestamptz",
       {"'1970-01-01 05:30:00+05:30'", "'2299-12-31 23:59:59.999999+00'", "'1900-01-01 00:00:00+00'",
        "'2024-02-29 12:34:56.000001-09:30'", "'infinity'", "'4713-01-01 00:00:00 BC'",
        "'10000-01-01 00:00:00+00'"}},
      {"time", {"'00:00'", "'24:00'", "'12:34:56.789'", "'23:59:59.999999'"}},
      {"timetz",
       {"'00:00+00'", "'24:00-15:59'", "'12:34:56.789+05:30'", "'12:00:00-00:00:01'", "'1:2:3+15:59:59'"}},
      {"interval",
       {"'0'", "'1 year 2 months 3 days 4:05:06.789'", "'-1 year -2 months'", "'1 day -0.000001 seconds'",
        "'-1.5 seconds'", "'100 hours'", "'-14 months 3 days'", "'178000000 years'", "'1 minute'"}},
      {"inet",
       {"'1.2.3.4'", "'1.2.3.4/24'", "'::1'", "'2001:db8::5/64'", "'::ffff:1.2.3.4'", "'::'", "'::1.2.3.4'",
        "'1:0:0:2:0:0:0:3'", "'1:2:3:4:5:6:7:0'", "'::0.0.0.5'"}},
      {"cidr", {"'10.0.0.0/8'", "'1.2.3.4/32'", "'2001:db8::/32'", "'0.0.0.0/0'"}},
      {"macaddr", {"'08:00:2b:01:02:03'"}},
      {"macaddr8", {"'08:00:2b:01:02:03:04:05'"}},
      {"money",
       {"0", "1234567.89", "-0.01", "'92233720368547758.07'::money", "'-92233720368547758.08'::money",
        "999"}},
      {"bit(5)", {"B'10101'", "B'00000'"}},
      {"bit varying", {"B''", "B'1'", "B'101010101'"}},
      {"pg_lsn", {"'0/0'", "'16/B374D848'"}},
      {"public.hstore", {"''", "'a=>1, b=>NULL'", "'\"q\\\"\\\\\"=>\"\"'"}},
      {"int4range", {"'empty'", "'[1,5)'", "'(,5)'", "'[1,)'", "'(,)'"}},
      {"numrange", {"'[1.5,2.50]'", "'(0,)'"}},
      {"tsrange", {"'[2024-01-01 00:00, 2024-01-02 12:34:56.5)'", "'(,infinity)'"}},
      {"tstzrange", {"'[2024-01-01 00:00+00, 2024-01-02 00:00+00)'"}},
      {"daterange", {"'[\"0044-03-15 BC\",2024-02-01)'"}},
      {"int8range", {"'[-9223372036854775808,5)'"}},
      {"public.textrange", {"'[a,\"b c\")'", "'[\"\",\"\\\\\\\"\")'", "'[\"a,\",\"b(\"]'"}},
      {"int4multirange", {"'{}'", "'{[1,3),[7,)}'"}},
      {"int8multirange", {"'{[1,3),[7,)}'"}},
      {"nummultirange", {"'{[1.50,3],(7,)}'"}},
      {"tsmultirange", {"'{[2024-01-01 00:00,2024-01-02 12:34:56.5),[infinity,)}'"}},
      {"tstzmultirange", {"'{[2024-01-01 00:00+00,2024-01-02 00:00+00)}'"}},
      {"datemultirange", {"'{[\"0044-03-15 BC\",2024-02-01)}'"}},
      {"refcursor", {"'a b'", "''"}},
  };
  return cases;
}

const std::vector<TypeCase>& text_only_cases() {
  static const std::vector<TypeCase> cases = {
      {"point", {"'(1.5,-2)'", "'(NaN,Infinity)'", "'(1e-300,0.1)'"}},
      {"line", {"'{1,-1,0.1}'", "'[(0,0),(1,3)]'"}},
      {"lseg", {"'[(0,0),(1,0.3)]'"}},
      {"box", {"'((2,2),(0,0))'"}},
      {"path", {"'((0,0),(1,1),(2,0))'", "'[(0,0),(1.5,1)]'"}},
      {"polygon", {"'((0,0),(1,1),(2,0))'"}},
      {"circle", {"'<(1,-2.5),3>'"}},
      {"tsvector", {"'a fat cat'", "$$a:1A fat:2B,4C 'b c':3$$", "''"}},
      {"tsquery", {"'fat & (rat | !cat:ab)'", "$$'it''s' <2> b:*$$", "''"}},
      {"jsonpath", {"'$.a[*] ? (@.\"b c\" > 1)'", "'strict $'"}},
      {"pg_snapshot", {"'10:20:10,14,15'", "'7:7:'"}},
      {"txid_snapshot", {"'10:20:10,14,15'"}},
      {"tid", {"'(4294967295,65535)'"}},
      {"int2vector", {"'1 -2 3'", "''"}},
      {"oidvector", {"'1 4294967295'", "''"}},
      {"aclitem", {"'postgres=r*w/postgres'", "'=U/postgres'"}},
      {"regproc", {"'pg_catalog.now'", "'-'"}},
      {"regprocedure", {"'pg_catalog.substr(text,integer)'"}},
      {"regoper", {"'pg_catalog.||/'"}},
      {"regoperator", {"'pg_catalog.+(integer,integer)'"}},
      {"regcollation", {"'\"C\"'"}},
      {"regtype", {"'timestamp with time zone'", "'public.mood'"}},
      {"regrole", {"'postgres'"}},
      {"regnamespace", {"'pg_catalog'"}},
      {"regconfig", {"'simple'"}},
      {"regdictionary", {"'simple'"}},
      {"public.pair", {"ROW(1, 'x y')", "ROW(NULL, NULL)"}},
      {"regclass", {"'pg_catalog.pg_class'"}},
  };
  return cases;
}

// What Postgres says a value of the target is, in the words of render() below.
std::string oracle(const ColumnType& target, bool bytea, const std::string& value) {
  switch (target.kind) {
    case TypeKind::boolean:
      return fmt::format("{}::int::text", value);
    case TypeKind::decimal:
      return fmt::format("trim_scale({} * 1e{})::text", value, target.scale);
    case TypeKind::float32:
      return fmt::format("CASE WHEN {0} = 'NaN' THEN '7fc00000' ELSE encode(float4send({0}), 'hex') END",
                         value);
    case TypeKind::float64:
      return fmt::format(
          "CASE WHEN {0} = 'NaN' THEN '7ff8000000000000' ELSE encode(float8send({0}), 'hex') END", value);
    case TypeKind::uuid:
      return fmt::format("replace({}::text, '-', '')", value);
    case TypeKind::date32:
      return fmt::format("CASE WHEN isfinite({0}) THEN ({0} - date '1970-01-01')::text END", value);
    case TypeKind::datetime64:
      return fmt::format(
          "CASE WHEN isfinite({0}) THEN trim_scale(extract(epoch FROM {0}) * 1000000)::text END", value);
    case TypeKind::string:
      if (bytea) return fmt::format("encode({}, 'hex')", value);
      [[fallthrough]];
    default:
      return fmt::format("format('%s', {})", value);
  }
}

std::string hex(std::string_view bytes) {
  std::string text;
  for (char byte : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return text;
}

// Little-endian two's complement of any width, in decimal.
std::string big_integer(const char* data, size_t width) {
  std::vector<uint8_t> bytes(data, data + width);
  bool negative = (bytes.back() & 0x80) != 0;
  if (negative) {
    int carry = 1;
    for (auto& byte : bytes) {
      int value = static_cast<uint8_t>(~byte) + carry;
      byte = static_cast<uint8_t>(value);
      carry = value >> 8;
    }
  }
  std::string digits;
  for (bool more = true; more;) {
    int remainder = 0;
    more = false;
    for (size_t index = width; index-- > 0;) {
      int value = remainder * 256 + bytes[index];
      bytes[index] = static_cast<uint8_t>(value / 10);
      remainder = value % 10;
      more = more || bytes[index] != 0;
    }
    digits.insert(digits.begin(), static_cast<char>('0' + remainder));
  }
  return (negative ? "-" : "") + digits;
}

std::string render(const Column& column, size_t row, bool bytea) {
  if (column.is_null(row)) return "(null)";
  switch (column.type().kind) {
    case TypeKind::boolean:
      return std::to_string(column.get<uint8_t>(row));
    case TypeKind::uint32:
      return std::to_string(column.get<uint32_t>(row));
    case TypeKind::uint64:
      return std::to_string(column.get<uint64_t>(row));
    case TypeKind::float32:
      return fmt::format("{:08x}", column.get<uint32_t>(row));
    case TypeKind::float64:
      return fmt::format("{:016x}", column.get<uint64_t>(row));
    case TypeKind::uuid:
      return fmt::format("{:016x}{:016x}", column.get<uint64_t>(row), [&] {
        uint64_t low;
        std::memcpy(&low, column.fixed(row) + 8, 8);
        return low;
      }());
    case TypeKind::string:
      return bytea ? hex(column.text(row)) : std::string(column.text(row));
    case TypeKind::array: {
      std::string text;
      for (size_t index = column.array_begin(row); index < column.array_end(row); ++index)
        text += render(column.element(), index, bytea) + "|";
      return text;
    }
    default:
      return big_integer(column.fixed(row), column.type().width());
  }
}

// Decoded rows by id; a row that could not be converted holds why.
struct Outcome {
  std::map<int32_t, std::vector<std::string>> rows;  // canonical bytes, one a column
  std::map<int32_t, std::vector<std::string>> rendered;
  std::map<int32_t, std::string> failures;
};

class TypesTest : public ::testing::Test {
 protected:
  Connection connect(bool replication = false) {
    auto& cluster = TestCluster::shared(TIDEMARK_BINARY_DIR);
    auto connection = Connection::open({.url = cluster.url("types"), .replication = replication});
    EXPECT_TRUE(connection) << connection.error().describe();
    return std::move(*connection);
  }

  static void run(Connection& connection, const std::string& sql) {
    auto status = connection.execute(sql);
    ASSERT_TRUE(status) << status.error().describe() << "\n" << sql;
  }

  void SetUp() override {
    auto& cluster = TestCluster::shared(TIDEMARK_BINARY_DIR);
    auto admin = Connection::open({.url = cluster.url()});
    ASSERT_TRUE(admin) << admin.error().describe();
    run(*admin, "DROP DATABASE IF EXISTS types WITH (FORCE)");
    run(*admin, "CREATE DATABASE types TEMPLATE template0 ENCODING 'UTF8'");
    Connection connection = connect();
    for (const char* sql : {"CREATE EXTENSION citext SCHEMA public", "CREATE EXTENSION hstore SCHEMA public",
                            "CREATE TYPE public.mood AS ENUM ('sad', 'very happy')",
                            "CREATE DOMAIN public.price AS numeric(10,2)",
                            "CREATE DOMAIN public.label AS varchar(20) CHECK (VALUE <> '')",
                            "CREATE TYPE public.pair AS (a int, b text)",
                            "CREATE TYPE public.textrange AS RANGE (subtype = pg_catalog.text)"})
      run(connection, sql);
  }

  static void collect(const TableDecoder& decoder, const Block& block, Outcome& outcome) {
    size_t last = block.rows() - 1;
    int32_t id = block.columns[0].get<int32_t>(last);
    for (size_t index = 0; index < block.columns.size(); ++index) {
      std::string bytes;
      block.columns[index].encode(last, bytes);
      outcome.rows[id].push_back(bytes);
      bool bytea = decoder.table().columns[index].wire == WireType::bytea ||
                   (block.columns[index].type().kind == TypeKind::array &&
                    decoder.table().columns[index].element_wire == WireType::bytea);
      outcome.rendered[id].push_back(render(block.columns[index], last, bytea));
    }
  }

  // `piece`: how many bytes are fed at a time; 0: as they come.
  Outcome copy(Connection& connection, const SourceTable& table, size_t piece) {
    Outcome outcome;
    TableDecoder decoder(table);
    Block block;
    decoder.add_columns(block);
    CopyBinaryReader reader([&](const CopyBinaryReader::Failure& failure) {
      int32_t id = 0;
      std::memcpy(&id, failure.raw.data() + 6, 4);
      outcome.failures[static_cast<int32_t>(__builtin_bswap32(static_cast<uint32_t>(id)))] =
          decoder.table().columns[failure.error.column].name + ": " + failure.error.reason;
    });
    auto copied = connection.copy_out(copy_statement(table), [&](std::string_view data) -> Status {
      size_t step = piece == 0 ? data.size() : piece;
      for (size_t at = 0; at < data.size(); at += step) {
        size_t appended =
            TRY(reader.feed(data.data() + at, std::min(step, data.size() - at), decoder, block));
        if (appended > 0) collect(decoder, block, outcome);
      }
      return {};
    });
    EXPECT_TRUE(copied) << copied.error().describe();
    EXPECT_TRUE(reader.finished());
    return outcome;
  }

  // Reads the slot from its beginning to the message "end", without acknowledging anything.
  std::map<std::string, Outcome> stream(const std::vector<SourceTable>& tables, bool binary) {
    std::map<std::string, Outcome> outcomes;
    struct State {
      TableDecoder decoder;
      Block block;
    };
    std::map<uint32_t, State> states;
    for (const auto& table : tables) {
      State state{TableDecoder(table), {}};
      state.decoder.add_columns(state.block);
      states.emplace(table.oid, std::move(state));
    }
    auto opened = ReplicationStream::start(
        {.connection = {.url = TestCluster::shared(TIDEMARK_BINARY_DIR).url("types")},
         .slot = "types",
         .publication = "types",
         .binary = binary});
    EXPECT_TRUE(opened) << opened.error().describe();
    if (!opened) return outcomes;
    PgoutputDecoder pgoutput(1);
    for (;;) {
      auto next = opened->next(std::chrono::milliseconds(10'000));
      EXPECT_TRUE(next && *next) << "the stream stopped before its end";
      if (!next || !*next) return outcomes;
      auto decoded = pgoutput.decode((*next)->payload);
      EXPECT_TRUE(decoded) << decoded.error().describe();
      if (!decoded) return outcomes;
      const Message& message = **decoded;
      if (message.kind == MessageKind::logical && message.content == "end") break;
      if (message.kind == MessageKind::relation) {
        auto difference = states.at(message.relation.oid).decoder.bind(message.relation);
        EXPECT_TRUE(difference.same()) << message.relation.name;
      }
      if (message.kind != MessageKind::insert) continue;
      State& state = states.at(message.relation_oid);
      Outcome& outcome = outcomes[state.decoder.table().name];
      if (state.decoder.append(message.new_row, RowImage::full, state.block)) {
        collect(state.decoder, state.block, outcome);
      } else {
        const Field& field = message.new_row[0];
        int32_t id = field.kind == 't' ? std::atoi(std::string(field.data, field.length).c_str()) : [&] {
          uint32_t raw;
          std::memcpy(&raw, field.data, 4);
          return static_cast<int32_t>(__builtin_bswap32(raw));
        }();
        outcome.failures[id] = state.decoder.table().columns[state.decoder.error().column].name + ": " +
                               state.decoder.error().reason;
      }
    }
    opened->stop();
    return outcomes;
  }

  static void compare(const SourceTable& table, const char* way, const Outcome& expected,
                      const Outcome& actual) {
    EXPECT_EQ(expected.failures, actual.failures) << table.name << " by " << way;
    EXPECT_EQ(expected.rows.size(), actual.rows.size()) << table.name << " by " << way;
    for (const auto& [id, values] : expected.rows) {
      auto found = actual.rows.find(id);
      if (found == actual.rows.end()) continue;
      for (size_t index = 0; index < values.size(); ++index)
        EXPECT_EQ(values[index], found->second[index])
            << table.name << "." << table.columns[index].name << " (" << table.columns[index].type_name
            << ") row " << id << " by " << way << ": " << expected.rendered.at(id)[index] << " / "
            << actual.rendered.at(id)[index];
    }
  }

  void against_postgres(Connection& connection, const SourceTable& table, const Outcome& outcome) {
    std::string select = "SELECT id";
    for (size_t index = 1; index < table.columns.size(); ++index) {
      const SourceColumn& column = table.columns[index];
      std::string name = quote_identifier(column.name);
      bool array = column.target.kind == TypeKind::array;
      bool bytea = (array ? column.element_wire : column.wire) == WireType::bytea;
      select += array ? fmt::format(
                            ", coalesce((SELECT string_agg(CASE WHEN num_nulls(x) = 0 THEN {} ELSE '(null)' "
                            "END || '|', '' "
                            "ORDER BY o) FROM unnest({}) WITH ORDINALITY u(x, o)), '')",
                            oracle(*column.target.element, bytea, "x"), name)
                      : fmt::format(", CASE WHEN num_nulls({0}) = 0 THEN {1} ELSE '(null)' END", name,
                                    oracle(column.target, bytea, name));
    }
    auto rows = connection.query(select + " FROM " + table.quoted() + " ORDER BY id");
    ASSERT_TRUE(rows) << rows.error().describe() << "\n" << select;
    for (size_t row = 0; row < rows->size(); ++row) {
      auto id = static_cast<int32_t>(rows->integer(row, 0));
      auto found = outcome.rendered.find(id);
      if (found == outcome.rendered.end()) {
        EXPECT_TRUE(outcome.failures.contains(id)) << table.name << " lost row " << id;
        continue;
      }
      for (size_t index = 1; index < table.columns.size(); ++index) {
        const SourceColumn& column = table.columns[index];
        std::string rendered = found->second[index];
        EXPECT_EQ(rows->at(row, index), rendered)
            << table.name << "." << column.name << " (" << column.type_name << " as " << column.target.name()
            << ") row " << id;
      }
    }
  }

  void prove(const std::vector<TypeCase>& cases, bool binary_too) {
    Connection connection = connect();
    std::vector<std::string> names;
    for (size_t index = 0; index < cases.size(); ++index) {
      names.push_back(fmt::format("t{}", index));
      // Conversion errors of one column would hide the others of its row: the array columns of such values
      // are in rows of their own.
      run(connection,
          fmt::format("CREATE TABLE public.{0} (id int PRIMARY KEY, v {1}, w {1}, a {1}[], n {1}[] NOT NULL)",
                      names[index], cases[index].type));
    }
    auto tables = read_tables(connection, {"t*"});
    ASSERT_TRUE(tables) << tables.error().describe();
    ASSERT_EQ(tables->size(), cases.size());
    EXPECT_EQ(all_binary_decodable(*tables), binary_too);
    ASSERT_TRUE(ensure_publication(connection, "types", "types", *tables));
    Connection replication = connect(true);
    auto slot = create_slot(replication, "types", false);
    ASSERT_TRUE(slot) << slot.error().describe();

    for (size_t index = 0; index < cases.size(); ++index) {
      int id = 0;
      auto insert = [&](const std::string& v, const std::string& a, const std::string& n) {
        auto status = connection.execute(fmt::format(
            "INSERT INTO public.{0} VALUES ({1}, {2}, NULL, {3}, {4})", names[index], ++id, v, a, n));
        EXPECT_TRUE(status) << status.error().describe() << " " << cases[index].type << " " << v << a << n;
      };
      std::string type = cases[index].type;
      for (const char* value : cases[index].values) {
        std::string cast = fmt::format("({})::{}", value, type);
        insert(cast, "NULL", "'{}'");
        insert("NULL", fmt::format("ARRAY[{0}, NULL, {0}]", cast), "'{}'");
        insert("NULL", fmt::format("ARRAY[ARRAY[{0}, NULL], ARRAY[{0}, {0}]]", cast), "'{}'");
        insert("NULL", "NULL", fmt::format("ARRAY[{0}, NULL, {0}]", cast));
      }
      insert("NULL", "NULL", "'{}'");
      if (type == "box") continue;  // its arrays are written with semicolons
      insert("NULL", "'{}'", "'[3:4]={NULL,NULL}'");
      insert("NULL", "'[3:4]={NULL,NULL}'", "'{NULL,NULL}'");
      insert("NULL", "'[0:0][2:3]={{NULL,NULL}}'", "'{{NULL},{NULL}}'");  // n: several dimensions, refused
    }
    run(connection, "SELECT pg_catalog.pg_logical_emit_message(false, 'test', 'end')");

    auto by_text = stream(*tables, false);
    auto by_binary = binary_too ? stream(*tables, true) : by_text;
    size_t failures = 0;
    size_t values = 0;
    for (const auto& table : *tables) {
      Outcome by_copy = copy(connection, table, 0);
      compare(table, "text stream", by_copy, by_text[table.name]);
      compare(table, "binary stream", by_copy, by_binary[table.name]);
      compare(table, "copy in pieces of 7 bytes", by_copy, copy(connection, table, 7));
      against_postgres(connection, table, by_copy);
      failures += by_copy.failures.size();
      values += by_copy.rows.size();
      bool refuses = table.columns[4].target.kind == TypeKind::array;
      EXPECT_EQ(by_copy.failures.empty(), !refuses) << table.name;  // at least the one of several dimensions
    }
    fmt::print("{} types, {} rows equal on all ways, {} rows refused alike\n", cases.size(), values,
               failures);
    EXPECT_TRUE(drop_slot(connection, "types"));
  }
};

TEST_F(TypesTest, EveryBinaryTypeReadsTheSameOnAllWays) {
  prove(type_cases(), true);
}

TEST_F(TypesTest, TypesOnlyPostgresCanPrintReadTheSameByCopyAndTextStream) {
  prove(text_only_cases(), false);
}

// What a later Postgres brings, or what was forgotten above, is found here.
TEST_F(TypesTest, EveryBuiltInTypeIsAmongTheCases) {
  Connection connection = connect();
  std::string covered;
  for (const auto* cases : {&type_cases(), &text_only_cases()})
    for (const auto& one : *cases) covered += (covered.empty() ? "" : ",") + quote_literal(one.type);
  // Of those that are named here only the server makes values: no text is read as one.
  auto missing = connection.query(
      "SELECT typname FROM pg_catalog.pg_type WHERE typnamespace = 'pg_catalog'::regnamespace AND typtype IN "
      "('b', 'r', 'm') AND NOT (typcategory = 'A' AND typname LIKE '\\_%') AND typname NOT IN ('gtsvector', "
      "'pg_node_tree', 'pg_ndistinct', 'pg_dependencies', 'pg_mcv_list', 'pg_brin_bloom_summary', "
      "'pg_brin_minmax_multi_summary') AND oid <> ALL(ARRAY[" +
      covered + "]::regtype[]::oid[])");
  ASSERT_TRUE(missing) << missing.error().describe();
  for (size_t row = 0; row < missing->size(); ++row) ADD_FAILURE() << "no case of " << missing->at(row, 0);
}

// Random doubles and floats inside array literals: our shortest digits are Postgres's.
TEST_F(TypesTest, FloatsInLiteralsPrintAsPostgresPrintsThem) {
  Connection connection = connect();
  run(connection,
      "CREATE TABLE public.f (id int PRIMARY KEY, a float8[], b float4[]); SELECT setseed(0.42);"
      "INSERT INTO public.f SELECT i, ARRAY[random() * 10 ^ (random() * 600 - 300), 2.0 ^ (i % 1000 - 500), "
      "3 * 2.0 ^ (i % 900 - 450), 10.0 ^ (i % 600 - 300)], ARRAY[(random() * 10 ^ (random() * 70 - "
      "35))::float4, "
      "(2.0 ^ (i % 200 - 100))::float4] FROM generate_series(1, 100000) i");
  auto tables = read_tables(connection, {"f"});
  ASSERT_TRUE(tables);
  TableDecoder decoder((*tables)[0]);
  Block block;
  decoder.add_columns(block);
  CopyBinaryReader reader;
  auto copied = connection.copy_out(copy_statement((*tables)[0]), [&](std::string_view data) -> Status {
    TRY(reader.feed(data.data(), data.size(), decoder, block));
    return {};
  });
  ASSERT_TRUE(copied) << copied.error().describe();
  auto rows = connection.query("SELECT a, b FROM public.f");
  ASSERT_TRUE(rows);
  size_t different = 0;
  for (size_t row = 0; row < rows->size(); ++row)
    for (size_t index = 0; index < 2; ++index)
      if (rows->at(row, index) != block.columns[index + 1].text(row) && different++ < 5)
        ADD_FAILURE() << rows->at(row, index) << " / " << block.columns[index + 1].text(row);
  EXPECT_EQ(different, 0U);
}

}  // namespace
}  // namespace tidemark::postgres
