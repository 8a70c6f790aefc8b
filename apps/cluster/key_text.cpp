#include "key_text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <utility>
#include <vector>

#include "text.hpp"

namespace cluster::app {
namespace {

using Json = nlohmann::ordered_json;

bool is_plain(char c) { return c > ' ' && c < '\x7f' && c != '"' && c != '\\' && c != '#'; }

// The size of the character that begins there; 0 where it is none in UTF-8.
std::size_t character_size(ByteView text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto follows = [&](std::size_t i) { return i < text.size() && (byte(i) & 0xc0) == 0x80; };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first < 0xe0) return follows(1) ? 2 : 0;
  if (first >= 0xe0 && first < 0xf0) {
    if (!follows(1) || !follows(2)) return 0;
    const bool is_overlong = first == 0xe0 && byte(1) < 0xa0;
    const bool is_surrogate = first == 0xed && byte(1) >= 0xa0;
    return is_overlong || is_surrogate ? 0 : 3;
  }
  if (first >= 0xf0 && first < 0xf5) {
    if (!follows(1) || !follows(2) || !follows(3)) return 0;
    const bool is_overlong = first == 0xf0 && byte(1) < 0x90;
    const bool is_too_large = first == 0xf4 && byte(1) >= 0x90;
    return is_overlong || is_too_large ? 0 : 4;
  }
  return 0;
}

bool is_utf8(ByteView text) {
  while (!text.empty()) {
    const std::size_t size = character_size(text);
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

std::string base64_of(ByteView bytes) {
  static constexpr char digits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t word = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      word = word << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      text += i + k <= bytes.size() ? digits[word >> (18 - 6 * k) & 63] : '=';
    }
  }
  return text;
}

struct Word {
  std::string text;
  std::size_t column = 1;
  bool is_quoted = false;
};

// One line's words, or where it goes wrong.
class Line {
 public:
  Line(ByteView text, std::size_t number) : text_(text), number_(number) {}

  Error wrong(std::size_t column, const std::string& what) const {
    return {Errc::invalid_argument,
            "line " + std::to_string(number_) + ", column " + std::to_string(column) + ": " + what};
  }
  std::size_t end_column() const { return text_.size() + 1; }

  Result<std::vector<Word>> words() {
    std::vector<Word> all;
    for (;;) {
      while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
      if (at_ == text_.size() || text_[at_] == '#') return all;
      auto word = text_[at_] == '"' ? quoted_word() : plain_word();
      if (!word) return std::move(word).error();
      all.push_back(*std::move(word));
    }
  }

 private:
  Result<Word> plain_word() {
    Word word{.column = at_ + 1};
    while (at_ < text_.size() && text_[at_] != ' ' && text_[at_] != '\t') {
      const char c = text_[at_];
      const bool is_high = static_cast<unsigned char>(c) >= 0x80;
      if (!is_plain(c) && !is_high) {
        return wrong(at_ + 1,
                     c == '"' || c == '\\' || c == '#'
                         ? "a word with " + std::string(1, c) + " is put in double quotes"
                         : std::string("a control character; in double quotes it is \\xHH"));
      }
      word.text += c;
      ++at_;
    }
    return word;
  }

  Result<Word> quoted_word() {
    Word word{.column = at_ + 1, .is_quoted = true};
    for (++at_; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '"') {
        ++at_;
        const bool is_apart = at_ == text_.size() || text_[at_] == ' ' || text_[at_] == '\t';
        if (!is_apart) return wrong(at_ + 1, "a space is missing after the closing quote");
        return word;
      }
      if (c != '\\') {
        word.text += c;
        continue;
      }
      auto meant = escape();
      if (!meant) return std::move(meant).error();
      word.text += *meant;
    }
    return wrong(word.column, "the quote is not closed in this line; a line break is \\n");
  }

  // At its backslash; leaves off at its last character.
  Result<char> escape() {
    const std::size_t column = at_ + 1;
    switch (++at_ < text_.size() ? text_[at_] : '\0') {
      case 'n': return '\n';
      case 't': return '\t';
      case 'r': return '\r';
      case '"': return '"';
      case '\\': return '\\';
      case 'x': {
        unsigned value = 0;
        const char* begin = text_.data() + at_ + 1;
        if (at_ + 2 < text_.size()) {
          auto [end, failure] = std::from_chars(begin, begin + 2, value, 16);
          if (failure == std::errc{} && end == begin + 2) {
            at_ += 2;
            return static_cast<char>(value);
          }
        }
        return wrong(column, "\\x is followed by two hexadecimal digits");
      }
      default: return wrong(column, "known are \\n \\t \\r \\\" \\\\ and \\xHH");
    }
  }

  ByteView text_;
  std::size_t number_;
  std::size_t at_ = 0;
};

class TransactionParser {
 public:
  Result<Transaction> parse(ByteView text) {
    for (std::size_t number = 1; !text.empty() || number == 1; ++number) {
      const std::size_t end = std::min(text.find('\n'), text.size());
      ByteView line = text.substr(0, end);
      text.remove_prefix(std::min(end + 1, text.size()));
      if (line.ends_with('\r')) line.remove_suffix(1);
      if (auto taken = take(Line(line, number)); !taken) return std::move(taken).error();
    }
    if (transaction_.then.empty() && transaction_.otherwise.empty()) {
      return Error{Errc::invalid_argument,
                   "there is nothing to do: neither `then` nor `else` has an operation"};
    }
    return std::move(transaction_);
  }

 private:
  enum class Section { none, when, then, otherwise };

  Result<void> take(Line line) {
    auto words = line.words();
    if (!words) return std::move(words).error();
    if (words->empty()) return {};
    const Word& first = words->front();
    if (words->size() == 1 && !first.is_quoted) {
      const Section next = first.text == "when"   ? Section::when
                           : first.text == "then" ? Section::then
                           : first.text == "else" ? Section::otherwise
                                                  : Section::none;
      if (next != Section::none) return begin(next, line, first);
    }
    switch (section_) {
      case Section::none:
        return line.wrong(first.column, "it begins with `when` or `then`, on a line of its own");
      case Section::when: return compare(line, *words);
      case Section::then: return operation(line, *words, transaction_.then);
      case Section::otherwise: return operation(line, *words, transaction_.otherwise);
    }
    return {};
  }

  Result<void> begin(Section next, const Line& line, const Word& word) {
    if (next <= section_) {
      return line.wrong(word.column, "the order is `when`, `then`, `else`, each at most once");
    }
    section_ = next;
    return {};
  }

  static Result<void> check_size(const Line& line, const std::vector<Word>& words, std::size_t size,
                                 const std::string& form) {
    if (words.size() < size) return line.wrong(line.end_column(), "more is expected: " + form);
    if (words.size() > size) {
      return line.wrong(words[size].column, "nothing is expected here: " + form);
    }
    return {};
  }

  static Result<std::uint64_t> number(const Line& line, const Word& word, int base) {
    std::uint64_t value = 0;
    const char* end = word.text.data() + word.text.size();
    auto [at, failure] = std::from_chars(word.text.data(), end, value, base);
    if (failure == std::errc{} && at == end) return value;
    return line.wrong(word.column,
                      "'" + word.text + "' is no " +
                          (base == 16 ? "lease: up to 16 hexadecimal digits" : "number"));
  }

  Result<void> compare(const Line& line, const std::vector<Word>& words) {
    const std::string& kind = words[0].text;
    if (kind == "exists" || kind == "missing") {
      if (auto right = check_size(line, words, 2, kind + " KEY"); !right) return right;
      transaction_.when.push_back(kind == "exists" ? Compare::exists(words[1].text)
                                                   : Compare::missing(words[1].text));
      return {};
    }
    static constexpr std::array<std::pair<const char*, Compare::Target>, 5> targets = {
        {{"value", Compare::Target::value},
         {"version", Compare::Target::version},
         {"created", Compare::Target::created},
         {"modified", Compare::Target::modified},
         {"lease", Compare::Target::lease}}};
    for (const auto& [name, target] : targets) {
      if (kind != name) continue;
      auto right = check_size(line, words, 4, kind + " KEY =|!=|<|> WHAT");
      return right ? compare(line, words, target) : right;
    }
    return line.wrong(words[0].column, "'" + kind +
                                           "' is no condition; known are exists, missing, value, "
                                           "version, created, modified and lease");
  }

  Result<void> compare(const Line& line, const std::vector<Word>& words, Compare::Target target) {
    Compare compare{.key = words[1].text, .target = target};
    const std::string& is = words[2].text;
    if (is == "=") {
      compare.is = Compare::Is::equal;
    } else if (is == "!=") {
      compare.is = Compare::Is::not_equal;
    } else if (is == "<") {
      compare.is = Compare::Is::less;
    } else if (is == ">") {
      compare.is = Compare::Is::greater;
    } else {
      return line.wrong(words[2].column, "'" + is + "' is none of = != < >");
    }
    if (target == Compare::Target::value) {
      compare.value = Bytes(ByteView(words[3].text));
    } else {
      auto value = number(line, words[3], target == Compare::Target::lease ? 16 : 10);
      if (!value) return std::move(value).error();
      compare.number = *value;
    }
    transaction_.when.push_back(std::move(compare));
    return {};
  }

  static Result<void> operation(const Line& line, const std::vector<Word>& words,
                                std::vector<KeyOperation>& to) {
    const std::string& kind = words[0].text;
    if (kind == "put") return put(line, words, to);
    const bool is_of_prefix = kind == "range" || kind == "del-prefix";
    if (!is_of_prefix && kind != "get" && kind != "del") {
      return line.wrong(
          words[0].column,
          "'" + kind + "' is no operation; known are put, get, range, del and del-prefix");
    }
    const std::string form = kind + (is_of_prefix ? " PREFIX" : " KEY");
    if (auto right = check_size(line, words, 2, form); !right) return right;
    KeyRange range = is_of_prefix ? KeyRange::prefix(words[1].text) : KeyRange::key(words[1].text);
    if (kind == "get" || kind == "range") {
      to.emplace_back(ReadKeys{.range = std::move(range)});
    } else {
      to.emplace_back(DeleteKeys{.range = std::move(range)});
    }
    return {};
  }

  static Result<void> put(const Line& line, const std::vector<Word>& words,
                          std::vector<KeyOperation>& to) {
    const bool has_lease = words.size() > 3;
    auto right = check_size(line, words, has_lease ? 5 : 3, "put KEY VALUE [lease LEASE]");
    if (!right) return right;
    PutKey put{.key = words[1].text, .value = Bytes(ByteView(words[2].text))};
    if (has_lease) {
      if (words[3].text != "lease") {
        return line.wrong(words[3].column, "`lease` is expected: put KEY VALUE [lease LEASE]");
      }
      auto lease = number(line, words[4], 16);
      if (!lease) return std::move(lease).error();
      put.lease = LeaseId(*lease);
    }
    to.emplace_back(std::move(put));
    return {};
  }

  Section section_ = Section::none;
  Transaction transaction_;
};

}  // namespace

std::string word_of(ByteView bytes) {
  bool is_word = !bytes.empty();
  for (char c : bytes) is_word = is_word && is_plain(c);
  if (is_word) return std::string(bytes);
  const bool is_text = is_utf8(bytes);
  std::string text = "\"";
  for (char c : bytes) {
    switch (c) {
      case '\n': text += "\\n"; continue;
      case '\t': text += "\\t"; continue;
      case '\r': text += "\\r"; continue;
      case '"': text += "\\\""; continue;
      case '\\': text += "\\\\"; continue;
      default: break;
    }
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= ' ' && byte != 0x7f && (byte < 0x80 || is_text)) {
      text += c;
      continue;
    }
    char hex[8];
    std::snprintf(hex, sizeof hex, "\\x%02x", byte);
    text += hex;
  }
  return text + '"';
}

void set_bytes(Json& json, const std::string& name, ByteView bytes) {
  if (is_utf8(bytes)) {
    json[name] = std::string(bytes);
  } else {
    json[name + "_base64"] = base64_of(bytes);
  }
}

Json json_of(const KeyValue& one, bool with_value) {
  Json json;
  set_bytes(json, "key", one.key);
  if (with_value) set_bytes(json, "value", one.value.view());
  json["created"] = one.created.value();
  json["modified"] = one.modified.value();
  json["version"] = one.version;
  if (one.lease) json["lease"] = lease_text(one.lease);
  return json;
}

std::string lease_text(LeaseId lease) { return to_hex(ClusterUid(lease.value())); }

Result<Transaction> parse_transaction(ByteView text) { return TransactionParser().parse(text); }

}  // namespace cluster::app
