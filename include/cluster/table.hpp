// An ordered table of rows, each of which knows its key, and views of it: a view stays as the table
// was, costs next to nothing to take, and may be read on another thread while the table changes.
//
// Rows lie in chunks that a table shares with its views; what a view may see is copied before it is
// changed, one chunk and one row at a time. Whether it may is known by number and not by counting
// references: what was made before the last view was taken is not changed in place.
//
// Looks like a std::map<Key, const Row>: `it->first`, `it->second`, `for (auto& [key, row] :
// table)`. Iterators and pointers to rows are good until the table is changed.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

namespace cluster {

// `KeyOf{}(row)` is a reference to the row's key, which must not change.
template <class Row, class KeyOf>
class Table {
 public:
  using Key = std::remove_cvref_t<std::invoke_result_t<KeyOf, const Row&>>;
  using key_type = Key;
  using mapped_type = Row;

  struct Item {
    const Key& first;
    const Row& second;
  };

 private:
  struct Cell {
    Row row;
    std::uint64_t made;
  };
  struct Chunk {
    std::uint64_t made;
    std::vector<std::shared_ptr<Cell>> cells;  // In order of their keys; never empty.
  };
  using Chunks = std::vector<std::shared_ptr<Chunk>>;

 public:
  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using iterator_concept = std::forward_iterator_tag;
    using value_type = Item;
    using difference_type = std::ptrdiff_t;
    using reference = Item;
    struct Arrow {
      Item item;
      const Item* operator->() const { return &item; }
    };
    using pointer = Arrow;

    Iterator() = default;
    Item operator*() const {
      const Row& row = (*chunks_)[chunk_]->cells[index_]->row;
      return {KeyOf{}(row), row};
    }
    Arrow operator->() const { return {**this}; }
    Iterator& operator++() {
      if (++index_ == (*chunks_)[chunk_]->cells.size()) {
        ++chunk_;
        index_ = 0;
      }
      return *this;
    }
    Iterator operator++(int) {
      Iterator before = *this;
      ++*this;
      return before;
    }
    friend bool operator==(const Iterator&, const Iterator&) = default;

   private:
    friend class Table;
    Iterator(const Chunks* chunks, std::size_t chunk, std::size_t index)
        : chunks_(chunks), chunk_(chunk), index_(index) {}
    const Chunks* chunks_ = nullptr;
    std::size_t chunk_ = 0;
    std::size_t index_ = 0;
  };
  using const_iterator = Iterator;
  using iterator = Iterator;

  class View {
   public:
    View() = default;
    Iterator begin() const { return {&chunks_, 0, 0}; }
    Iterator end() const { return {&chunks_, chunks_.size(), 0}; }
    std::size_t size() const { return size_; }

   private:
    friend class Table;
    View(Chunks chunks, std::size_t size) : chunks_(std::move(chunks)), size_(size) {}
    Chunks chunks_;
    std::size_t size_ = 0;
  };

  Table() = default;
  Table(const Table& other) : size_(other.size_) {  // Shares nothing.
    for (const auto& chunk : other.chunks_) {
      auto copy = std::make_shared<Chunk>(Chunk{now_, {}});
      copy->cells.reserve(chunk->cells.size());
      for (const auto& cell : chunk->cells) {
        copy->cells.push_back(std::make_shared<Cell>(Cell{cell->row, now_}));
      }
      chunks_.push_back(std::move(copy));
    }
  }
  Table(Table&& other) noexcept
      : now_(other.now_),
        size_(std::exchange(other.size_, 0)),
        chunks_(std::exchange(other.chunks_, {})) {}
  Table& operator=(Table other) noexcept {
    now_ = other.now_;
    size_ = other.size_;
    chunks_.swap(other.chunks_);
    return *this;
  }
  ~Table() = default;

  Iterator begin() const { return {&chunks_, 0, 0}; }
  Iterator end() const { return {&chunks_, chunks_.size(), 0}; }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  // The first that is not before `key`.
  Iterator lower_bound(const Key& key) const {
    const Place place = place_of(key);
    if (place.chunk < chunks_.size() && place.index == chunks_[place.chunk]->cells.size()) {
      return {&chunks_, place.chunk + 1, 0};
    }
    return {&chunks_, place.chunk, place.index};
  }
  Iterator find(const Key& key) const {
    const Place place = place_of(key);
    return place.is_there ? Iterator{&chunks_, place.chunk, place.index} : end();
  }
  const Row* get(const Key& key) const {
    const Place place = place_of(key);
    return place.is_there ? &row_at(place) : nullptr;
  }
  bool contains(const Key& key) const { return place_of(key).is_there; }
  // The row must be there.
  const Row& at(const Key& key) const {
    const Row* row = get(key);
    if (row == nullptr) std::abort();
    return *row;
  }

  // The row under `key` to be changed, which must not be its key; null where there is none. Good
  // until the next view is taken, or the row is erased.
  Row* change(const Key& key) {
    const Place place = place_of(key);
    if (!place.is_there) return nullptr;
    std::shared_ptr<Cell>& cell = own(place.chunk).cells[place.index];
    if (cell->made != now_) cell = std::make_shared<Cell>(Cell{cell->row, now_});
    return &cell->row;
  }
  // Puts a row under its key, under which there is none.
  Row& insert(Row row) {
    Place place = place_of(KeyOf{}(row));
    if (place.is_there) std::abort();
    if (chunks_.empty()) chunks_.push_back(std::make_shared<Chunk>(Chunk{now_, {}}));
    if (own(place.chunk).cells.size() == chunk_max) place = split(place);
    auto& cells = chunks_[place.chunk]->cells;
    auto cell = std::make_shared<Cell>(Cell{std::move(row), now_});
    Row& made = cell->row;
    cells.insert(cells.begin() + static_cast<std::ptrdiff_t>(place.index), std::move(cell));
    ++size_;
    return made;
  }
  // Takes out the row under `key`; nothing where there is none.
  std::optional<Row> erase(const Key& key) {
    const Place place = place_of(key);
    if (!place.is_there) return std::nullopt;
    auto& cells = own(place.chunk).cells;
    std::shared_ptr<Cell> cell = std::move(cells[place.index]);
    cells.erase(cells.begin() + static_cast<std::ptrdiff_t>(place.index));
    --size_;
    if (cells.size() < chunk_max / 4) merge(place.chunk);
    if (cell->made == now_) return std::move(cell->row);
    return cell->row;
  }

  // This table as it is now, whatever becomes of it. Copies a pointer for each chunk.
  View view() {
    ++now_;
    return View(chunks_, size_);
  }

  friend bool operator==(const Table& a, const Table& b) {
    if (a.size_ != b.size_) return false;
    auto at = b.begin();
    for (const Item& item : a) {
      if (!(item.second == at->second)) return false;
      ++at;
    }
    return true;
  }

 private:
  static constexpr std::size_t chunk_max = 128;

  // Where a key is, or would be.
  struct Place {
    std::size_t chunk = 0;
    std::size_t index = 0;
    bool is_there = false;
  };

  const Row& row_at(const Place& place) const {
    return chunks_[place.chunk]->cells[place.index]->row;
  }

  Place place_of(const Key& key) const {
    // Rows often come in the order of their keys: at the end nothing needs to be looked for.
    if (!chunks_.empty()) {
      const auto& last = chunks_.back()->cells;
      if (KeyOf{}(last.back()->row) < key) return {chunks_.size() - 1, last.size(), false};
    }
    // The last chunk that does not begin after `key`.
    auto after = std::upper_bound(chunks_.begin(), chunks_.end(), key,
                                  [](const Key& wanted, const auto& chunk) {
                                    return wanted < KeyOf{}(chunk->cells.front()->row);
                                  });
    if (after == chunks_.begin()) return {};
    const auto chunk = static_cast<std::size_t>(after - chunks_.begin()) - 1;
    const auto& cells = chunks_[chunk]->cells;
    auto at = std::lower_bound(
        cells.begin(), cells.end(), key,
        [](const auto& cell, const Key& wanted) { return KeyOf{}(cell->row) < wanted; });
    const bool is_there = at != cells.end() && !(key < KeyOf{}((*at)->row));
    return {chunk, static_cast<std::size_t>(at - cells.begin()), is_there};
  }

  Chunk& own(std::size_t index) {
    std::shared_ptr<Chunk>& chunk = chunks_[index];
    if (chunk->made != now_) chunk = std::make_shared<Chunk>(Chunk{now_, chunk->cells});
    return *chunk;
  }

  // Makes room in a full chunk; gives where the key is to go then. At the end of the table a new
  // chunk begins: rows that come in order leave full ones behind.
  Place split(const Place& place) {
    auto& cells = chunks_[place.chunk]->cells;
    const bool is_at_end = place.chunk + 1 == chunks_.size() && place.index == cells.size();
    const std::size_t left = is_at_end ? cells.size() : cells.size() / 2;
    auto from = cells.begin() + static_cast<std::ptrdiff_t>(left);
    auto right = std::make_shared<Chunk>(
        Chunk{now_, {std::make_move_iterator(from), std::make_move_iterator(cells.end())}});
    cells.erase(from, cells.end());
    chunks_.insert(chunks_.begin() + static_cast<std::ptrdiff_t>(place.chunk) + 1,
                   std::move(right));
    if (place.index < left || (place.index == left && !is_at_end)) return place;
    return {place.chunk + 1, place.index - left, false};
  }

  // A chunk that holds little, or nothing any more, goes into its neighbour where that has room.
  void merge(std::size_t index) {
    auto& cells = chunks_[index]->cells;
    if (cells.empty()) {
      chunks_.erase(chunks_.begin() + static_cast<std::ptrdiff_t>(index));
      return;
    }
    const bool has_next = index + 1 < chunks_.size();
    if (!has_next || chunks_[index + 1]->cells.size() + cells.size() > chunk_max / 2) return;
    const auto& next = chunks_[index + 1]->cells;
    cells.insert(cells.end(), next.begin(), next.end());
    chunks_.erase(chunks_.begin() + static_cast<std::ptrdiff_t>(index) + 1);
  }

  std::uint64_t now_ = 1;  // What was made at `now_` is in no view.
  std::size_t size_ = 0;
  Chunks chunks_;
};

}  // namespace cluster
