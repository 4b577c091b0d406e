// Sends the requests of the generated client, and keeps what was answered.
import { writeFileSync } from "node:fs";

export const answers: { method: string; path: string; status: number; body: unknown }[] = [];
export const streamed: { shape: string; value: unknown }[] = [];

export const send = async <T>(url: string, options: RequestInit): Promise<T> => {
  const headers = new Headers(options.headers);
  if (!headers.has("X-Agent-Token") && !headers.has("Authorization")) {
    headers.set("Authorization", `Bearer ${process.env.TOKEN}`);
  }
  const response = await fetch(url, { ...options, headers });
  const isStream = response.headers.get("content-type")?.startsWith("text/event-stream") ?? false;
  const data: unknown = isStream ? response : await response.json();
  const body = isStream ? null : data;
  answers.push({ method: options.method ?? "", path: new URL(url).pathname, status: response.status, body });
  return { data, status: response.status, headers: response.headers } as T;
};

// Reads a stream up to the first event of this type, and hangs up.
export const firstEvent = async (answer: { data: unknown; status: number }, type: string): Promise<any> => {
  if (answer.status !== 200) throw new Error(`the stream answered ${answer.status}`);
  let text = "";
  for await (const chunk of (answer.data as Response).body!.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    const blocks = text.split("\n\n");
    text = blocks.pop()!;
    for (const block of blocks) {
      const line = block.split("\n").find((one) => one.startsWith("data: "));
      const event = line && JSON.parse(line.slice("data: ".length));
      if (event && event.type === type) return event;
    }
  }
  throw new Error(`the stream ended before ${type}`);
};

export const keep = (file: string) => writeFileSync(file, JSON.stringify({ answers, streamed }));
