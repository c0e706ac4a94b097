// Runs one client against a gateway and prints what it met, as one line of JSON: by model, by scenario.
// node clients.mjs <client> <scenarios> <models> ; GATEWAY_URL, API_KEY and what `errors` needs come in the environment.

import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { APICallError, embedMany, generateText, Output, RetryError, stepCountIs, streamText, tool } from "ai";
import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";

const { GATEWAY_URL, API_KEY = "any" } = process.env;
const [name, wanted, models] = process.argv.slice(2);
let MODEL;
const QUESTION = "Tell me of qubits";
const WEATHER = "Call get_weather for Paris";
const CITY = z.object({ name: z.string(), inhabitants: z.number().int() });
const PLACE = z.object({ city: z.string() });

// Counts the requests that a client makes, so that its retries show.
function counting() {
  const made = async (...args) => {
    made.calls += 1;
    return fetch(...args);
  };
  made.calls = 0;
  return made;
}

function openaiClient() {
  const client = (options = {}) => new OpenAI({ baseURL: `${GATEWAY_URL}/v1`, apiKey: API_KEY, ...options });
  const user = (content) => [{ role: "user", content }];
  const tools = [
    { type: "function", function: { name: "get_weather", description: "Weather of a city", parameters: z.toJSONSchema(PLACE) } },
  ];
  const ask = async ({ key, prompt, timeout, extra = {} }) => {
    const counted = counting();
    const options = { fetch: counted, apiKey: key ?? API_KEY, ...(timeout ? { timeout, maxRetries: 0 } : { maxRetries: 1 }) };
    try {
      await client(options).chat.completions.create({ model: MODEL, messages: user(prompt ?? QUESTION), ...extra });
      return { error: null };
    } catch (error) {
      return { error: error.constructor.name, status: error.status ?? null, code: error.code ?? null, calls: counted.calls };
    }
  };
  return {
    ask,
    bad: { extra: { temperature: 9 } },
    async chat() {
      const answer = await client().chat.completions.create({ model: MODEL, messages: user(QUESTION) });
      return { text: answer.choices[0].message.content, finish: answer.choices[0].finish_reason, tokens: answer.usage.total_tokens };
    },
    async stream() {
      const options = { model: MODEL, messages: user(QUESTION), stream: true, stream_options: { include_usage: true } };
      let text = "", finish = null, tokens = 0;
      for await (const chunk of await client().chat.completions.create(options)) {
        text += chunk.choices[0]?.delta?.content ?? "";
        finish = chunk.choices[0]?.finish_reason ?? finish;
        tokens = chunk.usage?.total_tokens ?? tokens;
      }
      return { text, finish, tokens };
    },
    async tools() {
      const first = await client().chat.completions.create({ model: MODEL, messages: user(WEATHER), tools });
      const message = first.choices[0].message;
      const results = message.tool_calls.map((call) => ({ role: "tool", tool_call_id: call.id, content: "sunny in Paris" }));
      const second = await client().chat.completions.create({ model: MODEL, messages: [...user(WEATHER), message, ...results], tools });
      const call = message.tool_calls[0].function;
      return { name: call.name, city: JSON.parse(call.arguments).city, finish: first.choices[0].finish_reason, text: second.choices[0].message.content };
    },
    async structured() {
      const format = zodResponseFormat(CITY, "city");
      const answer = await client().chat.completions.parse({ model: MODEL, messages: user("Describe a city"), response_format: format });
      return answer.choices[0].message.parsed;
    },
    async embeddings() {
      const answer = await client().embeddings.create({ model: MODEL, input: ["one", "two"] });
      return { count: answer.data.length, size: answer.data[0].embedding.length, tokens: answer.usage.prompt_tokens };
    },
    async responses() {
      const answer = await client().responses.create({ model: MODEL, input: QUESTION });
      return { text: answer.output_text, status: answer.status };
    },
  };
}

function aiSdk(model, embedder) {
  const ask = async ({ key, prompt, timeout, extra = {} }) => {
    const counted = counting();
    const signal = timeout ? { abortSignal: AbortSignal.timeout(timeout), maxRetries: 0 } : { maxRetries: 1 };
    try {
      await generateText({ model: model({ apiKey: key ?? API_KEY, fetch: counted }), prompt: prompt ?? QUESTION, ...signal, ...extra });
      return { error: null };
    } catch (thrown) {
      const error = RetryError.isInstance(thrown) ? thrown.lastError : thrown;
      const call = APICallError.isInstance(error);
      return { error: call ? "APICallError" : error.name, status: error.statusCode ?? null, retryable: error.isRetryable ?? null, calls: counted.calls };
    }
  };
  const scenarios = {
    ask,
    bad: { extra: { topP: 9 } },
    async chat() {
      const answer = await generateText({ model: model(), prompt: QUESTION, system: "Be brief." });
      return { text: answer.text, finish: answer.finishReason, tokens: answer.usage.totalTokens };
    },
    async stream() {
      const answer = streamText({ model: model(), prompt: QUESTION, onError: ({ error }) => { throw error; } });
      let text = "";
      for await (const piece of answer.textStream) text += piece;
      return { text, finish: await answer.finishReason, tokens: (await answer.usage).totalTokens };
    },
    async tools() {
      const asked = [];
      const weather = tool({ description: "Weather of a city", inputSchema: PLACE, execute: async ({ city }) => (asked.push(city), "sunny in Paris") });
      const answer = await generateText({ model: model(), prompt: WEATHER, tools: { get_weather: weather }, stopWhen: stepCountIs(3) });
      return { name: answer.steps[0].toolCalls[0].toolName, city: asked[0], finish: answer.steps[0].finishReason, text: answer.text };
    },
    async structured() {
      const answer = await generateText({ model: model(), prompt: "Describe a city", output: Output.object({ schema: CITY }) });
      return answer.output;
    },
  };
  if (embedder) {
    scenarios.embeddings = async () => {
      const answer = await embedMany({ model: embedder(), values: ["one", "two"] });
      return { count: answer.embeddings.length, size: answer.embeddings[0].length, tokens: answer.usage.tokens };
    };
  }
  return scenarios;
}

const openai = (options = {}) => createOpenAI({ baseURL: `${GATEWAY_URL}/v1`, apiKey: API_KEY, ...options });
const anthropic = (options = {}) => createAnthropic({ baseURL: `${GATEWAY_URL}/v1`, apiKey: API_KEY, ...options });
const CLIENTS = {
  openai: openaiClient,
  "ai-openai-chat": () => aiSdk((options) => openai(options).chat(MODEL), () => openai().embedding(MODEL)),
  "ai-openai-responses": () => aiSdk((options) => openai(options).responses(MODEL)),
  "ai-anthropic": () => aiSdk((options) => anthropic(options)(MODEL)),
};

async function errors({ ask, bad }) {
  const { GOOD_KEY, LIMITED_KEY, BROKE_KEY, SLOW_PROMPT, FAILING_PROMPT } = process.env;
  return {
    authentication: await ask({ key: "wrong" }),
    bad_request: await ask({ key: GOOD_KEY, ...bad }),
    refused_by_provider: await ask({ key: GOOD_KEY, prompt: FAILING_PROMPT }),
    rate_limit: await ask({ key: LIMITED_KEY, timeout: 60000 }),
    budget: await ask({ key: BROKE_KEY }),
    timeout: await ask({ key: GOOD_KEY, prompt: SLOW_PROMPT, timeout: 300 }),
  };
}

const client = CLIENTS[name]();
const results = {};
for (MODEL of models.split(",")) {
  const told = (results[MODEL] = {});
  for (const scenario of wanted.split(",")) {
    try {
      told[scenario] = scenario === "errors" ? await errors(client) : await client[scenario]();
    } catch (error) {
      told[scenario] = { failed: String(error?.stack ?? error) };
    }
  }
}
console.log(JSON.stringify(results));
