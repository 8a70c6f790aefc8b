// Tells a process from its copies: a page that is empty in a child of fork.
#pragma once

namespace cluster::net {

class ForkMark {
 public:
  ForkMark();
  ~ForkMark();
  ForkMark(const ForkMark&) = delete;
  ForkMark& operator=(const ForkMark&) = delete;
  bool is_child() const { return page_ != nullptr && *page_ == 0; }

 private:
  volatile unsigned char* page_ = nullptr;  // None where the system gives no such page.
};

}  // namespace cluster::net
