// The processes of a run: forks of this one, which end with it, and memory shared with them.
//
// The parent forks while it has one thread only.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace bench {

// One forked process. Destroying it ends the process, by its id.
class Child {
 public:
  // `body` gets a function that waits until the parent asks the child to end.
  explicit Child(const std::function<void(const std::function<void()>& wait_for_end)>& body);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  pid_t id() const { return id_; }
  bool wait(double seconds_max);  // Until it ended by itself; false when it has not, or badly.
  void finish();                  // Asks it to end; after some seconds, makes it.
  void kill();                    // SIGKILL, and waits.

 private:
  pid_t id_ = 0;
  int pipe_ = -1;  // Its end is the child's sign to end.
};

// Zeroed memory that this process and its later children share, for one `T` without pointers.
void* shared_memory(std::size_t size);
template <class T>
T& shared() {
  return *new (shared_memory(sizeof(T))) T{};
}

std::vector<std::uint16_t> free_ports(int count);

// SIGINT and SIGTERM end the children and remove the directory first.
void clean_up_on_signals(const std::string& directory);

}  // namespace bench
