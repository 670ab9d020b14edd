// Files that the page carries, gzipped, as text of base64: a button saves each under its name.

async function unpacked(id) {
  const packed = Uint8Array.from(atob(document.getElementById(id).textContent), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

for (const button of document.querySelectorAll("button.download")) {
  button.addEventListener("click", async () => {
    const { file, name, type } = button.dataset;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([await unpacked(file)], { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  });
}
