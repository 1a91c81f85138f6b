"""The pages. Not in a folder called `pages`: Streamlit would take each file of that for a script of its own."""
