#include "cli/table.h"

#include "cli/output.h"

#include <cstdlib>

namespace tidemark::cli {
namespace {

constexpr int column_width_min = 8;  // a column is never cut below this
constexpr const char* dim = "\x1b[2m";
constexpr const char* bold = "\x1b[1m";
constexpr const char* plain = "\x1b[0m";

struct CodePoint {
  char32_t value;
  size_t bytes;
};

// Bytes that are not UTF-8 count as one place each.
CodePoint code_point(std::string_view text, size_t at) {
  auto byte = static_cast<unsigned char>(text[at]);
  size_t bytes = byte < 0x80 ? 1 : (byte >> 5) == 6 ? 2 : (byte >> 4) == 14 ? 3 : (byte >> 3) == 30 ? 4 : 1;
  if (at + bytes > text.size()) bytes = 1;
  char32_t value = bytes == 1 ? byte : byte & (0xFFU >> (bytes + 1));
  for (size_t i = 1; i < bytes; ++i) {
    auto next = static_cast<unsigned char>(text[at + i]);
    if ((next & 0xC0) != 0x80) return {byte, 1};
    value = (value << 6) | (next & 0x3F);
  }
  return {value, bytes};
}

int places(char32_t c) {
  if ((c >= 0x300 && c <= 0x36F) || (c >= 0x200B && c <= 0x200F) || (c >= 0xFE00 && c <= 0xFE0F)) return 0;
  bool wide = (c >= 0x1100 && c <= 0x115F) || (c >= 0x2E80 && c <= 0xA4CF) || (c >= 0xAC00 && c <= 0xD7A3) ||
              (c >= 0xF900 && c <= 0xFAFF) || (c >= 0xFE30 && c <= 0xFE6F) || (c >= 0xFF00 && c <= 0xFF60) ||
              (c >= 0xFFE0 && c <= 0xFFE6) || (c >= 0x1F300 && c <= 0x1FAFF) ||
              (c >= 0x20000 && c <= 0x3FFFD);
  return wide ? 2 : 1;
}

// Control characters would move the cursor, or worse.
std::string printable(std::string_view text) {
  std::string out;
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    if (c == '\n')
      out += "\\n";
    else if (c == '\t')
      out += "\\t";
    else if (byte < 0x20 || byte == 0x7F)
      out += "\xEF\xBF\xBD";
    else
      out += c;
  }
  return out;
}

std::string cut(const std::string& text, int width) {
  if (display_width(text) <= width) return text;
  std::string out;
  int used = 0;
  for (size_t at = 0; at < text.size();) {
    CodePoint point = code_point(text, at);
    if (used + places(point.value) > width - 1) break;
    out.append(text, at, point.bytes);
    used += places(point.value);
    at += point.bytes;
  }
  return out + "…";
}

void append_tsv(std::string& out, const std::optional<std::string>& value) {
  if (!value) {
    out += "\\N";
    return;
  }
  for (char c : *value) {
    if (c == '\t')
      out += "\\t";
    else if (c == '\n')
      out += "\\n";
    else if (c == '\\')
      out += "\\\\";
    else
      out += c;
  }
}

std::string unescape_tsv(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    char c = text[++i];
    out += c == 't'   ? '\t'
           : c == 'n' ? '\n'
           : c == 'r' ? '\r'
           : c == 'b' ? '\b'
           : c == 'f' ? '\f'
           : c == '0' ? '\0'
                      : c;
  }
  return out;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (size_t begin = 0;;) {
    size_t end = text.find(separator, begin);
    parts.push_back(text.substr(begin, end - begin));
    if (end == std::string_view::npos) return parts;
    begin = end + 1;
  }
}

bool is_number_type(std::string_view type) {
  for (std::string_view wrapper : {"Nullable(", "LowCardinality("})
    if (type.starts_with(wrapper)) type.remove_prefix(wrapper.size());
  return type.starts_with("Int") || type.starts_with("UInt") || type.starts_with("Float") ||
         type.starts_with("Decimal");
}

}  // namespace

TableStyle table_style() {
  if (!stdout_is_terminal()) return {.tabular = true};
  const char* no_color = std::getenv("NO_COLOR");
  return {.tabular = false, .color = no_color == nullptr || *no_color == '\0', .width = terminal_width()};
}

int display_width(std::string_view text) {
  int width = 0;
  for (size_t at = 0; at < text.size();) {
    CodePoint point = code_point(text, at);
    width += places(point.value);
    at += point.bytes;
  }
  return width;
}

void Table::add(Row row) {
  row.resize(columns_.size());
  rows_.push_back(std::move(row));
}

std::string Table::render_tabular() const {
  std::string out;
  for (size_t c = 0; c < columns_.size(); ++c) {
    if (c > 0) out += '\t';
    append_tsv(out, columns_[c].name);
  }
  out += '\n';
  for (const Row& row : rows_) {
    for (size_t c = 0; c < row.size(); ++c) {
      if (c > 0) out += '\t';
      append_tsv(out, row[c]);
    }
    out += '\n';
  }
  return out;
}

std::string Table::render(const TableStyle& style) const {
  if (style.tabular) return render_tabular();
  std::vector<std::string> names;
  std::vector<int> widths;
  for (const ColumnHead& column : columns_) {
    names.push_back(printable(column.name));
    widths.push_back(display_width(names.back()));
  }
  std::vector<std::vector<std::string>> cells;
  for (const Row& row : rows_) {
    std::vector<std::string>& line = cells.emplace_back();
    for (size_t c = 0; c < row.size(); ++c) {
      line.push_back(row[c] ? printable(*row[c]) : "NULL");
      widths[c] = std::max(widths[c], display_width(line.back()));
    }
  }
  int total = 2 * static_cast<int>(widths.empty() ? 0 : widths.size() - 1);
  for (int width : widths) total += width;
  while (style.width > 0 && total > style.width) {
    auto widest = std::max_element(widths.begin(), widths.end());
    if (widest == widths.end() || *widest <= column_width_min) break;
    --*widest;
    --total;
  }
  std::string out;
  auto append = [&](const std::string& text, size_t c, const char* color) {
    std::string shown = cut(text, widths[c]);
    std::string padding(static_cast<size_t>(widths[c] - display_width(shown)), ' ');
    bool last = c + 1 == columns_.size();
    if (columns_[c].align == Align::right) out += padding;
    if (style.color && color != nullptr) out += color;
    out += shown;
    if (style.color && color != nullptr) out += plain;
    if (columns_[c].align == Align::left && !last) out += padding;
    out += last ? "\n" : "  ";
  };
  for (size_t c = 0; c < columns_.size(); ++c) append(names[c], c, bold);
  for (size_t c = 0; c < columns_.size(); ++c) {
    for (int i = 0; i < widths[c]; ++i) out += "─";
    out += c + 1 == columns_.size() ? "\n" : "  ";
  }
  for (size_t r = 0; r < rows_.size(); ++r)
    for (size_t c = 0; c < columns_.size(); ++c) append(cells[r][c], c, rows_[r][c] ? nullptr : dim);
  return out;
}

Table table_of_tsv(std::string_view text, size_t rows_max) {
  if (text.ends_with('\n')) text.remove_suffix(1);
  std::vector<std::string_view> lines = split(text, '\n');
  std::vector<Table::ColumnHead> columns;
  if (lines.size() < 2) return Table(columns);
  std::vector<std::string_view> types = split(lines[1], '\t');
  std::vector<std::string_view> names = split(lines[0], '\t');
  for (size_t c = 0; c < names.size(); ++c)
    columns.push_back(
        {unescape_tsv(names[c]), c < types.size() && is_number_type(types[c]) ? Align::right : Align::left});
  Table table(std::move(columns));
  for (size_t l = 2; l < lines.size() && table.rows() < rows_max; ++l) {
    Table::Row row;
    for (std::string_view value : split(lines[l], '\t'))
      row.push_back(value == "\\N" ? std::nullopt : std::optional(unescape_tsv(value)));
    table.add(std::move(row));
  }
  return table;
}

}  // namespace tidemark::cli
