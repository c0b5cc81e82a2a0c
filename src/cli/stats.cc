// tidemark stats: the statistics of experiments as a calculator on standard input and output. One JSON object
// a line, answered line by line, so that a program may keep it open and ask; or one JSON document with a list
// of them.
#include "cli/output.h"
#include "cli/verb.h"
#include "experiments/calculator.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <iostream>
#include <unistd.h>

namespace tidemark::cli {
namespace {

using experiments::calculator_document_max;
using experiments::CalculatorAnswer;

bool is_blank(std::string_view line) {
  return line.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

// The next line, its end included; empty at the end of input. Errors: limit, when the line is longer than
// `longest`.
Result<std::string> next_line(std::streambuf& input, size_t longest) {
  std::string line;
  for (int letter = input.sbumpc(); letter != std::streambuf::traits_type::eof(); letter = input.sbumpc()) {
    if (line.size() >= longest)
      return fail(ErrorKind::limit, fmt::format("the input has more than {} MiB in one piece", longest >> 20),
                  "Write one request a line.");
    line += static_cast<char>(letter);
    if (letter == '\n') break;
  }
  return line;
}

class Session {
 public:
  // Answers one line, or one document. False when it is not JSON.
  bool answer(std::string_view text) {
    std::string problem;
    auto answers = experiments::calculate(text, problem);
    for (const auto& found : answers) print(found);
    return problem.empty();
  }

  void refuse_line(size_t number) {
    print(experiments::calculator_failure(fmt::format("line {}", number), "is not a JSON object"));
  }

  bool reader_left() const { return reader_left_; }
  ExitCode exit_code() const { return all_answered_ ? ExitCode::ok : ExitCode::failed; }

 private:
  void print(const CalculatorAnswer& found) {
    all_answered_ = all_answered_ && found.is_result;
    if (!reader_left_ && !print_out(found.text + "\n")) reader_left_ = true;
  }

  bool all_answered_ = true;
  bool reader_left_ = false;
};

// A first line that is no JSON by itself: the beginning of a document on several lines, or a broken request.
Status answer_document(Session& session, std::streambuf& input, std::vector<std::string> lines) {
  size_t size = 0;
  for (const auto& line : lines) size += line.size();
  while (true) {
    std::string line = TRY(next_line(input, calculator_document_max - size));
    if (line.empty()) break;
    size += line.size();
    lines.push_back(std::move(line));
  }
  std::string whole;
  for (const auto& line : lines) whole += line;
  if (session.answer(whole)) return {};
  for (size_t i = 0; i < lines.size() && !session.reader_left(); ++i)
    if (!is_blank(lines[i]) && !session.answer(lines[i])) session.refuse_line(i + 1);
  return {};
}

Result<ExitCode> run_session() {
  if (::isatty(STDIN_FILENO) == 1)
    return fail(ErrorKind::usage, "requests are missing",
                "Pipe them in, one JSON object a line: tidemark stats < requests.jsonl");
  std::streambuf& input = *std::cin.rdbuf();
  Session session;
  std::vector<std::string> before;  // blank lines count for the numbers of the others
  bool asked = false;
  for (size_t number = 1; !session.reader_left(); ++number) {
    std::string line = TRY(next_line(input, calculator_document_max));
    if (line.empty()) break;
    bool blank = is_blank(line);
    if (!blank && !session.answer(line)) {
      if (!asked) {
        before.push_back(std::move(line));
        TRY_VOID(answer_document(session, input, std::move(before)));
        break;
      }
      session.refuse_line(number);
    }
    asked = asked || !blank;
    if (!asked) before.push_back(std::move(line));
  }
  return session.exit_code();
}

}  // namespace

Run add_stats(CLI::App& command) {
  auto list = std::make_shared<bool>(false);
  command.add_flag("--methods", *list, "name the methods there are");
  return [list](const Invocation&) -> Result<ExitCode> {
    if (!*list) return run_session();
    for (const auto& method : experiments::calculator_methods()) print_out(method + "\n");
    return ExitCode::ok;
  };
}

}  // namespace tidemark::cli
