# ruff: noqa: E501 - tables of texts read best unbroken
"""Structure, smells and endpoints in the usual languages."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_gateway.analysis.code.endpoints import READERS, endpoints
from llm_gateway.analysis.code.smells import RULES
from llm_gateway.analysis.code.structure import analyse
from llm_gateway.analysis.code.trees import FUNCTIONS, GRAMMARS, Language, every, language_of, tree
from llm_gateway.core.errors import InvalidRequest

ENDPOINTS: dict[str, tuple[str, list[tuple[str, str, str, str, int]]]] = {
    "fastapi": ("""from fastapi import APIRouter, FastAPI
app = FastAPI()
router = APIRouter(prefix="/users")
@router.get("/{id}", response_model=X)
async def read(id: int): ...
@app.post("/items")
def create(): ...
@app.api_route("/x", methods=["GET", "HEAD"])
def x(): ...
@app.websocket("/ws")
async def ws(socket): ...
@cache.get("key")
def no(): ...
app.include_router(router, prefix="/v1")
""", [("GET", "/v1/users/{id}", "read", "fastapi", 4), ("POST", "/items", "create", "fastapi", 6), ("GET", "/x", "x", "fastapi", 8),
      ("HEAD", "/x", "x", "fastapi", 8), ("WEBSOCKET", "/ws", "ws", "fastapi", 10)]),
    "flask": ("""from flask import Blueprint, Flask
app = Flask(__name__)
bp = Blueprint("b", __name__, url_prefix="/api")
@app.route("/a", methods=["POST", "PUT"])
def a(): pass
@bp.get("/b/<int:i>")
def b(i): pass
app.add_url_rule("/c", view_func=c)
app.register_blueprint(bp, url_prefix="/v2")
""", [("POST", "/a", "a", "flask", 4), ("PUT", "/a", "a", "flask", 4), ("GET", "/v2/api/b/<int:i>", "b", "flask", 6), ("GET", "/c", "c", "flask", 8)]),
    "django": ("""from django.urls import include, path, re_path
urlpatterns = [
  path("articles/<int:year>/", views.year_archive, name="y"),
  re_path(r"^old/$", Old.as_view()),
  path("api/", include("x")),
]
router.register("users", UserViewSet)
""", [("ANY", "/articles/<int:year>/", "views.year_archive", "django", 3), ("ANY", "/old/", "Old.as_view()", "django", 4),
      ("GET", "/users/", "UserViewSet", "django", 7), ("POST", "/users/", "UserViewSet", "django", 7),
      ("DELETE", "/users/{pk}/", "UserViewSet", "django", 7), ("GET", "/users/{pk}/", "UserViewSet", "django", 7),
      ("PATCH", "/users/{pk}/", "UserViewSet", "django", 7), ("PUT", "/users/{pk}/", "UserViewSet", "django", 7)]),
    "express": ("""const express = require("express");
const app = express(); const things = express.Router();
app.get("/health", (req, res) => res.send("ok"));
things.post('/users', auth, createUser);
things.route("/books").get(list).post(add);
app.use("/api", things);
cache.get("/x", 1); axios.get("/remote", options); app.get("setting");
""", [("GET", "/health", "(anonymous)", "express", 3), ("POST", "/api/users", "createUser", "express", 4),
      ("GET", "/api/books", "list", "express", 5), ("POST", "/api/books", "add", "express", 5)]),
    "spring": ("""@RestController
@RequestMapping("/api/orders")
public class Orders {
  @GetMapping("/{id}") public Order get(@PathVariable long id) { return null; }
  @PostMapping public Order create() { return null; }
  @RequestMapping(value = {"/a", "/b"}, method = RequestMethod.PUT, produces = "text/plain") void m() {}
}
""", [("GET", "/api/orders/{id}", "Orders.get", "spring", 4), ("POST", "/api/orders", "Orders.create", "spring", 5),
      ("PUT", "/api/orders/a", "Orders.m", "spring", 6), ("PUT", "/api/orders/b", "Orders.m", "spring", 6)]),
    "net/http": ("""package main
import "net/http"
func main() {
  http.HandleFunc("/old", old)
  mux.HandleFunc("GET /items/{id}", item)
  http.Handle("/f/", http.FileServer(dir))
}
""", [("ANY", "/old", "old", "net/http", 4), ("GET", "/items/{id}", "item", "net/http", 5),
      ("ANY", "/f/", "http.FileServer(dir)", "net/http", 6)]),
    "gin": ("""package main
import "github.com/gin-gonic/gin"
func main() {
  r := gin.Default()
  r.GET("/ping", func(c *gin.Context) {})
  v1 := r.Group("/v1")
  admin := v1.Group("/admin")
  admin.POST("/users", auth, createUser)
  r.Handle("DELETE", "/x", del)
  r.Any("/any", any)
}
""", [("GET", "/ping", "(anonymous)", "gin", 5), ("POST", "/v1/admin/users", "createUser", "gin", 8), ("DELETE", "/x", "del", "gin", 9),
      ("ANY", "/any", "any", "gin", 10)]),
    "rails": ("""Rails.application.routes.draw do
  root "home#index"
  get "/about", to: "pages#about"
  get 'old' => 'pages#old'
  resources :users, only: [:index, :show] do
    member do
      post :activate
    end
    get :search, on: :collection
    resources :posts, only: %i[index]
  end
  namespace :api do
    resource :profile, only: [:show]
    scope "/v2" do
      match "x", to: "x#y", via: [:get, :post]
    end
  end
end
""", [("GET", "/", "home#index", "rails", 2), ("GET", "/about", "pages#about", "rails", 3), ("GET", "/old", "pages#old", "rails", 4),
      ("GET", "/users", "users#index", "rails", 5), ("GET", "/users/:id", "users#show", "rails", 5),
      ("POST", "/users/:id/activate", "users#activate", "rails", 7), ("GET", "/users/search", "users#search", "rails", 9),
      ("GET", "/users/:user_id/posts", "posts#index", "rails", 10), ("GET", "/api/profile", "api/profiles#show", "rails", 13),
      ("GET", "/api/v2/x", "api/x#y", "rails", 15), ("POST", "/api/v2/x", "api/x#y", "rails", 15)]),
}  # fmt: skip


@pytest.mark.parametrize("framework", ENDPOINTS)
def test_endpoints(framework: str) -> None:
    source, expected = ENDPOINTS[framework]
    found = endpoints(source, language_of(source, None, None))
    assert sorted(map(tuple, found)) == sorted(expected)


SMELLS: list[tuple[Language, str, str]] = [
    ("python", "try:\n    f()\nexcept ValueError:\n    pass\n", "empty_catch"),
    ("python", "try:\n    f()\nexcept:\n    raise\n", "bare_except"),
    ("python", "def f(a=[]): ...\n", "mutable_default"),
    ("python", "subprocess.run('x', shell=True)\n", "shell"),
    ("python", 'cursor.execute(f"select {a}")\n', "sql_from_text"),
    ("python", "pickle.loads(data)\n", "unsafe_load"),
    ("python", "from a import *\n", "wildcard_import"),
    ("python", "def f():\n" + "".join(f"{'    ' * depth}if a:\n" for depth in range(1, 7)) + "    " * 7 + "pass\n", "deep_nesting"),
    ("python", "def f(a, b, c, d, e, g): ...\n", "many_parameters"),
    ("python", "def f(a):\n" + "    a += 1\n" * 70, "long_function"),
    ("python", "def f(a):\n" + "    if a:\n        pass\n" * 12, "complex_function"),
    ("python", "# T" + "ODO later\nx = 1\n", "open_matter"),
    ("python", "x = 1\n" * 600, "large_file"),
    ("javascript", "try { f() } catch (e) {}", "empty_catch"),
    ("javascript", "eval(text)", "dynamic_code"),
    ("typescript", "element.innerHTML = text;", "raw_html"),
    ("javascript", "if (a == b) {}", "loose_equality"),
    ("java", "class A { void f() { try { g(); } catch (Exception e) { } } }", "broad_catch"),
    ("go", "package a\nfunc f() {\n  if err != nil {\n  }\n}\n", "empty_catch"),
    ("rust", "fn f() { x.unwrap(); }", "unwrap"),
    ("c", "void f() { strcpy(a, b); }", "unbounded_copy"),
    ("csharp", "class A { void F() { try { G(); } catch { } } }", "empty_catch"),
    ("php", "<?php eval($x);", "dynamic_code"),
    ("ruby", "eval(text)\n", "dynamic_code"),
]


@pytest.mark.parametrize(("language", "source", "kind"), SMELLS)
def test_smells(language: Language, source: str, kind: str) -> None:
    assert kind in {smell.kind for smell in analyse(source, language).smells}


def test_good_code_smells_of_nothing() -> None:
    assert analyse("def total(items):\n    return sum(item for item in items if item > 0)\n", "python").smells == ()
    assert analyse("function f(a) { if (a === 1) { g() } else if (a === 2) { h() } else if (a === 3) { i() } else if (a === 4) { j() } else if (a === 5) { k() } }", "javascript").smells == ()  # fmt: skip


def test_duplicates_are_found_once() -> None:
    block = "".join(f"    total = total + compute_something({number})\n" for number in range(8))
    found = analyse(f"def a(total):\n{block}\n\ndef b(total):\n{block}", "python").smells
    assert [(smell.kind, smell.line) for smell in found] == [("duplicate", 13)]


CLASSES: dict[Language, str] = {
    "python": "class A:\n    def f(self, x):\n        return x if x else 0\n",
    "javascript": "class A { f(x) { if (x) { return 1; } } }",
    "typescript": "class A { f(x: number): number { if (x) { return 1; } return 0; } }",
    "tsx": "class A { f(x: number) { if (x) { return <b/>; } } }",
    "java": "class A { int f(int x) { if (x > 0) { return 1; } return 0; } }",
    "csharp": "class A { int F(int x) { if (x > 0) { return 1; } return 0; } }",
    "php": "<?php class A { function f($x) { if ($x) { return 1; } } }",
    "ruby": "class A\n  def f(x)\n    if x\n      1\n    end\n  end\nend\n",
    "kotlin": "class A { fun f(x: Int): Int { if (x > 0) { return 1 }; return 0 } }",
    "swift": "class A { func f(x: Int) -> Int { if x > 0 { return 1 }; return 0 } }",
    "scala": "class A { def f(x: Int): Int = { if (x > 0) { 1 } else { 0 } } }",
    "cpp": "class A { public: int f(int x) { if (x) { return 1; } return 0; } };",
}


@pytest.mark.parametrize("language", CLASSES)
def test_types_and_functions_of_every_language(language: Language) -> None:
    found = analyse(CLASSES[language], language)
    assert [(each.name, each.kind) for each in found.types] == [("A", "class")]
    assert [(each.name.lower(), each.parent, each.complexity) for each in found.functions] == [("f", "A", 2)]


@pytest.mark.parametrize("language", GRAMMARS)
def test_every_kind_that_is_looked_for_is_one_of_the_grammar(language: Language) -> None:
    root = tree("x", language, "test")
    grammar = GRAMMARS[language]
    for kind in (*grammar.types, *grammar.imports, *grammar.branches, *grammar.comments, *FUNCTIONS[language]):
        list(every(root, kind))
    for rule in RULES.get(language, ()):
        root.find_all({"rule": rule[3]})


@pytest.mark.parametrize(
    ("content", "language", "filename", "expected"),
    [("x", "Py", None, "python"), ("x", None, "a/b.rs", "rust"), ("#!/usr/bin/env node\n1", None, None, "javascript"), ("<?php 1", None, "noext", "php"),
     ("fn main() {}", None, None, "rust"), ("#include <stdio.h>", None, None, "c"), ("using System;", None, None, "csharp"), ("fun main() {}", None, None, "kotlin")],
)  # fmt: skip
def test_languages(content: str, language: str | None, filename: str | None, expected: str) -> None:
    assert language_of(content, language, filename) == expected


@settings(max_examples=40)
@given(
    source=st.one_of(st.text(max_size=200), st.text(alphabet="(){}[];:=\"'@#/.\n abcdef", max_size=300)),
    language=st.sampled_from(list(GRAMMARS)),
)
def test_any_text_is_code_of_a_sort(source: str, language: Language) -> None:
    found = analyse(source, language)
    assert 0 <= found.maintainability <= 100
    if language in READERS:
        endpoints(source, language)


def test_unknown_languages_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="expected one of python"):
        language_of("x", "cobol", None)
    with pytest.raises(InvalidRequest, match="shows none"):
        language_of("hello", None, None)
