from llm_gateway.configuration.draft import SKIP, Draft


def test_a_later_source_replaces_values_not_sections() -> None:
    draft = Draft()
    draft.put((), {"server": {"port": 1, "host": "a"}}, "first")
    draft.put(("server", "port"), 2, "second")
    assert draft.tree == {"server": {"port": 2, "host": "a"}}
    assert draft.origins == {("server", "port"): "second", ("server", "host"): "first"}
    assert draft.problems == []


def test_a_source_never_changes_what_it_was_given() -> None:
    given = {"providers": {"openai": {"model": "a"}}}
    draft = Draft()
    draft.put((), given, "first")
    draft.put(("providers", "openai", "model"), "b", "second")
    assert given == {"providers": {"openai": {"model": "a"}}}


def test_what_was_complained_of_before_is_skipped() -> None:
    draft = Draft()
    draft.put((), {"server": {"port": SKIP, "host": "a"}}, "x")
    assert draft.tree == {"server": {"host": "a"}}


def test_the_rest_stays_when_faults_are_taken_out() -> None:
    draft = Draft()
    draft.put((), {"providers": {"x": {"models": ["a", 1], "prices": {"m": {"input": 1}}, "timeout": "z", "kind": "openai"}}}, "x")
    draft.complain_of_value(("providers", "x", "models", 1), "string_type", 1)
    draft.complain_of_value(("providers", "x", "prices", "m", "output"), "missing", {})
    draft.complain_of_value(("providers", "x", "timeout"), "float_parsing", "z")
    assert draft.without_faults() == {"providers": {"x": {"prices": {}, "kind": "openai"}}}


def test_a_place_is_complained_of_once() -> None:
    draft = Draft()
    draft.complain_of_value(("providers", "x", "kind"), "literal_error", "z")
    draft.complain_between(("providers", "x", "kind"), "missing")
    assert len(draft.problems) == 1


def test_a_verdict_has_a_line_for_each_problem() -> None:
    draft = Draft()
    draft.complain("", "file x.yaml:3", "no good")
    assert draft.verdict() == "one setting is wrong:\n  file x.yaml:3: no good"
    draft.complain("a.b", "", "bad")
    assert draft.verdict() == "2 settings are wrong:\n  file x.yaml:3: no good\n  a.b: bad"
