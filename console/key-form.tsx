/** Asks for a key of the API. */
export function KeyForm({
  problem,
  given,
}: {
  readonly problem: string;
  readonly given: (key: string) => void;
}) {
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    const field = (event.currentTarget as HTMLFormElement).elements.namedItem("key");
    const key = (field as HTMLInputElement).value.trim();
    if (key !== "") given(key);
  };
  return (
    <main class="door">
      <form class="card" onSubmit={submit}>
        <h1>Sluice console</h1>
        <p>
          Enter the secret of an API key with the right <code>console</code>. While developing, open
          the link that the gateway printed when it started.
        </p>
        <label>
          Key
          <input name="key" type="password" autocomplete="off" spellcheck={false} required />
        </label>
        <p role="alert" class="problem">
          {problem}
        </p>
        <button type="submit">Open</button>
      </form>
    </main>
  );
}
