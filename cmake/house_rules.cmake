# The house rules as tests: the include order of the rooms, and proof that the check can fail.
find_package(Python3 REQUIRED COMPONENTS Interpreter)
add_test(NAME house.layering COMMAND Python3::Interpreter ${CMAKE_SOURCE_DIR}/scripts/check-layering)
add_test(NAME house.layering_self_test COMMAND Python3::Interpreter ${CMAKE_SOURCE_DIR}/scripts/check-layering --self-test)
set_tests_properties(house.layering house.layering_self_test PROPERTIES LABELS unit TIMEOUT 60)
